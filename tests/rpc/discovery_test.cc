#include <functional>
#include <string>
#include <vector>

#include <grpc/reflection/v1alpha/reflection.pb.h>

#include "proto/support/limits.h"
#include "tests/rpc/raw.h"

namespace treadle::test {
namespace {

using ::testing::HasSubstr;

class Discovery : public RpcTest {};

TEST_F(Discovery, ReflectionListsTheServices) {
  RawStream reflection(*channel, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  reflection.Write(std::string("\x3A\x00", 2));  // list_services: ""
  std::string answer;
  ASSERT_TRUE(reflection.Read(&answer)) << reflection.Finish().error_message();
  for (const char* service :
       {"treadle.v1.TaskService", "treadle.v1.WorkerService", "treadle.v1.QueueService",
        "treadle.v1.DeadLetterService", "treadle.v1.AdminService", "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection"}) {
    EXPECT_THAT(answer, HasSubstr(service));
  }
  reflection.Write("\x22\x16treadle.v1.TaskService");  // file_containing_symbol
  ASSERT_TRUE(reflection.Read(&answer)) << reflection.Finish().error_message();
  EXPECT_THAT(answer, HasSubstr("SubmitRequest"));
  reflection.HalfClose();
  EXPECT_TRUE(reflection.Finish().ok());
}

TEST_F(Discovery, ReflectionAnswersEachKindOfQuestion) {
  using Question = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Answer = grpc::reflection::v1alpha::ServerReflectionResponse;
  RawStream reflection(*channel, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  const auto ask = [&](const std::function<void(Question&)>& set) {
    Question question;
    question.set_host("here");
    set(question);
    EXPECT_TRUE(reflection.Write(question.SerializeAsString()));
    std::string bytes;
    EXPECT_TRUE(reflection.Read(&bytes));
    Answer answer;
    EXPECT_TRUE(answer.ParseFromString(bytes));
    EXPECT_EQ(answer.original_request().SerializeAsString(), question.SerializeAsString());
    EXPECT_EQ(answer.valid_host(), "here");
    return answer;
  };
  Answer answer = ask([](auto& q) { q.set_file_by_filename("treadle/v1/task_service.proto"); });
  // And explain.proto, output.proto and task.proto, which it imports.
  EXPECT_EQ(answer.file_descriptor_response().file_descriptor_proto_size(), 4);
  answer = ask([](auto& q) { q.set_file_containing_symbol("grpc.health.v1.Health.Check"); });
  ASSERT_EQ(answer.file_descriptor_response().file_descriptor_proto_size(), 1);
  EXPECT_THAT(answer.file_descriptor_response().file_descriptor_proto(0),
              HasSubstr("HealthCheckRequest"));
  answer = ask([](auto& q) { q.set_all_extension_numbers_of_type("treadle.v1.Task"); });
  EXPECT_EQ(answer.all_extension_numbers_response().base_type_name(), "treadle.v1.Task");
  for (const auto& unknown : std::vector<std::function<void(Question&)>>{
           [](auto& q) { q.set_file_by_filename("no.proto"); },
           [](auto& q) { q.set_file_containing_symbol("treadle.v1.No"); },
           [](auto& q) { q.set_all_extension_numbers_of_type("treadle.v1.No"); },
           [](auto& q) {
             q.mutable_file_containing_extension()->set_containing_type("treadle.v1.Task");
           }}) {
    answer = ask(unknown);
    EXPECT_EQ(answer.error_response().error_code(), grpc::NOT_FOUND);
    EXPECT_THAT(answer.error_response().error_message(), HasSubstr("there is no "));
  }
  EXPECT_EQ(ask([](auto&) {}).error_response().error_code(), grpc::UNIMPLEMENTED);
  reflection.Write("\xFF");
  EXPECT_EQ(reflection.Finish().error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(Discovery, HealthSaysServing) {
  const auto check = [&](const std::string& request) {
    std::string answer;
    const grpc::Status status = CallRaw(*channel, "grpc.health.v1.Health/Check", request, &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer;
  };
  EXPECT_EQ(check(""), "\x08\x01");  // status: SERVING
  EXPECT_EQ(check("\x0A\x16treadle.v1.TaskService"), "\x08\x01");
  EXPECT_EQ(check("\x0A\x15grpc.health.v1.Health"), "\x08\x01");
  EXPECT_EQ(CallRaw(*channel, "grpc.health.v1.Health/Check", "\x0A\x04mail").error_code(),
            grpc::NOT_FOUND);
}

TEST_F(Discovery, HealthIsTold) {
  RawStream all(*channel, "grpc.health.v1.Health/Watch");
  all.Write("");
  RawStream one(*channel, "grpc.health.v1.Health/Watch");
  one.Write("\x0A\x18treadle.v1.WorkerService");
  RawStream unknown(*channel, "grpc.health.v1.Health/Watch");
  unknown.Write("\x0A\x04mail");
  std::string answer;
  ASSERT_TRUE(all.Read(&answer));
  EXPECT_EQ(answer, "\x08\x01");
  ASSERT_TRUE(one.Read(&answer));
  EXPECT_EQ(answer, "\x08\x01");
  ASSERT_TRUE(unknown.Read(&answer));
  EXPECT_EQ(answer, "\x08\x03");  // SERVICE_UNKNOWN

  server.edge().StopAccepting();
  ASSERT_TRUE(all.Read(&answer));
  EXPECT_EQ(answer, "\x08\x02");  // NOT_SERVING
  ASSERT_TRUE(one.Read(&answer));
  EXPECT_EQ(answer, "\x08\x02");
  // It is told also now, when other calls are refused.
  EXPECT_TRUE(CallRaw(*channel, "grpc.health.v1.Health/Check", "", &answer).ok());
  EXPECT_EQ(answer, "\x08\x02");
  EXPECT_EQ(CallRaw(*channel, "treadle.v1.AdminService/GetServerInfo", "").error_code(),
            grpc::UNAVAILABLE);
}

TEST_F(Discovery, AFloodOfReflectionStreamsIsBounded) {
  std::vector<std::unique_ptr<RawStream>> streams;
  for (int i = 0; i < 100; ++i) {
    streams.push_back(std::make_unique<RawStream>(
        *channel, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
  }
  EXPECT_NE(Info().version(), "");
}

TEST_F(Discovery, ServerInfoStatesTheBounds) {
  const v1::ServerInfo info = Info();
  EXPECT_EQ(info.store(), "memory");
  EXPECT_EQ(info.limits().payload_bytes_max(), limits::kPayloadBytesMax);
  EXPECT_EQ(info.limits().batch_tasks_max(), 10'000);
  EXPECT_EQ(info.limits().streams_per_client_max(), 64);
  EXPECT_EQ(info.limits().request_key_window_ms(), 86'400'000);
  EXPECT_GE(info.now_ms(), info.started_at_ms());
}

struct Folder {
  TemporaryFolder folder;
};

// The folder is there before the server and after it.
class OnDisk : private Folder, public RpcTest {
 protected:
  OnDisk() : RpcTest(Options()) {}

 private:
  LocalServerOptions Options() {
    LocalServerOptions options;
    options.data_directory = folder.path();
    options.broker.payload_cache_bytes_max = 5'000;
    options.broker.waiting_bytes_max = 6'000;
    options.broker.unsynced_bytes_max = 7'000'000;
    options.broker.inbox_bytes_max = 8'000'000;
    options.rpc.outgoing_bytes_sum_max = 9'000'000;
    return options;
  }
};

TEST_F(OnDisk, ServerInfoSaysHowStoreAndMemoryDo) {
  Submit(Spec("mail", std::string(2'000, 'x')));  // synced before it is acknowledged
  const v1::ServerStats stats = Info().stats();
  EXPECT_GE(stats.sync_p50_ms(), 0);
  EXPECT_GE(stats.sync_p99_ms(), stats.sync_p50_ms());
  EXPECT_GE(stats.sync_last_ms(), 0);
  EXPECT_GE(stats.turn_requests_mean(), 1);
  EXPECT_GT(stats.turn_requests_p99(), 0);
  EXPECT_GT(stats.turn_bytes_mean(), 0);
  EXPECT_GE(stats.turn_bytes_p99(), 1'024) << "the submit's turn stored its payload";

  EXPECT_GT(stats.resident_bytes(), 1 << 20);
  EXPECT_GE(stats.payload_cache_bytes(), 2'000);
  EXPECT_LE(stats.payload_cache_bytes(), 5'000);
  EXPECT_EQ(stats.payload_cache_bytes_max(), 5'000);
  EXPECT_EQ(stats.waiting_bytes(), 0);
  EXPECT_EQ(stats.waiting_bytes_max(), 6'000);
  EXPECT_EQ(stats.unsynced_bytes(), 0);
  EXPECT_EQ(stats.unsynced_bytes_max(), 7'000'000);
  EXPECT_EQ(stats.incoming_lane_bytes_max(), 8'000'000);
  EXPECT_EQ(stats.outgoing_bytes_max(), 9'000'000);
}

}  // namespace
}  // namespace treadle::test
