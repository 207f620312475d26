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
        "treadle.v1.AdminService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(answer, HasSubstr(service));
  }
  reflection.Write("\x22\x16treadle.v1.TaskService");  // file_containing_symbol
  ASSERT_TRUE(reflection.Read(&answer)) << reflection.Finish().error_message();
  EXPECT_THAT(answer, HasSubstr("SubmitRequest"));
  reflection.HalfClose();
  EXPECT_TRUE(reflection.Finish().ok());
}

TEST_F(Discovery, HealthSaysServing) {
  std::string answer;
  const grpc::Status status = CallRaw(*channel, "grpc.health.v1.Health/Check", "", &answer);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(answer, "\x08\x01");  // status: SERVING
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

}  // namespace
}  // namespace treadle::test
