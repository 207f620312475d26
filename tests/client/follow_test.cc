#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/client/fake_broker.h"
#include "treadle/client.h"
#include "treadle/executor.h"
#include "treadle/output.h"
#include "treadle/task_type.h"

// Reading a task's output from a broker, over the wire.

namespace treadle {
namespace {

using namespace std::chrono_literals;

constexpr TaskType<int(int)> kSquare{"square"};

void Say(v1::ReadOutputResponse& response, uint64_t offset, const std::string& data) {
  v1::OutputRun& run = *response.add_runs();
  run.set_first_offset(offset);
  run.set_attempt(1);
  run.add_entries()->set_data(data);
  response.set_next_offset(offset + 1);
}

// Says its task's id and nothing more.
grpc::Status SayId(grpc::ServerContext&, const v1::ReadOutputRequest& request,
                   v1::ReadOutputResponse& response) {
  Say(response, request.offset(), request.task_id());
  response.set_end(true);
  return grpc::Status::OK;
}

// A call that waits until who asks gives up.
class Waiting {
 public:
  grpc::Status operator()(grpc::ServerContext& context) {
    asked_ = true;
    while (!context.IsCancelled()) std::this_thread::sleep_for(1ms);
    return grpc::Status(grpc::StatusCode::CANCELLED, "gone");
  }
  void AwaitAsked() const {
    while (!asked_) std::this_thread::yield();
  }

 private:
  std::atomic<bool> asked_{false};
};

std::unique_ptr<Client> ConnectTo(const FakeBroker& broker) {
  return *Client::Connect(broker.Options());
}

TEST(Follow, GoesOnWhereItWasAfterARestart) {
  FakeBroker broker;
  broker.OnReadOutput([](grpc::ServerContext&, const v1::ReadOutputRequest& request,
                         v1::ReadOutputResponse& response) {
    Say(response, request.offset(), "line " + std::to_string(request.offset()));
    response.set_end(request.offset() == 2);
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(broker);
  TaskOutput output = client->Follow(IdOf(3, 1));
  EXPECT_EQ(output.Next()->data, "line 0");
  broker.Stop();
  auto next = std::async(std::launch::async, [&] { return output.Next(); });
  broker.Start();
  EXPECT_EQ(next.get()->data, "line 1");
  EXPECT_EQ(output.Next()->data, "line 2");
  EXPECT_FALSE(output.Next().has_value());
  EXPECT_TRUE(output.ended()) << output.status();
  EXPECT_EQ(broker.streams(), 0u);  // who only asks has no session
}

TEST(Follow, AnotherThreadStopsIt) {
  FakeBroker broker;
  Waiting waiting;
  broker.OnReadOutput([&](grpc::ServerContext& context, const v1::ReadOutputRequest&,
                          v1::ReadOutputResponse&) { return waiting(context); });
  const auto client = ConnectTo(broker);
  TaskOutput output = client->Follow(IdOf(3, 1));
  auto next = std::async(std::launch::async, [&] { return output.Next(); });
  waiting.AwaitAsked();
  output.Stop();
  EXPECT_FALSE(next.get().has_value());
  EXPECT_EQ(output.status(), absl::CancelledError("reading the task's output was stopped"));
}

TEST(Follow, TheClientsShutdownEndsItAndItMayOutliveTheClient) {
  FakeBroker broker;
  Waiting waiting;
  broker.OnReadOutput([&](grpc::ServerContext& context, const v1::ReadOutputRequest&,
                          v1::ReadOutputResponse&) { return waiting(context); });
  auto client = ConnectTo(broker);
  TaskOutput output = client->Follow(IdOf(3, 1));
  TaskOutput idle = client->Follow(IdOf(3, 2));
  auto next = std::async(std::launch::async, [&] { return output.Next(); });
  waiting.AwaitAsked();
  client.reset();
  EXPECT_FALSE(next.get().has_value());
  EXPECT_FALSE(idle.Next().has_value());
  for (const TaskOutput* each : {&output, &idle}) {
    EXPECT_EQ(each->status(), absl::CancelledError("the client was shut down: connect a new one"));
  }
}

TEST(Follow, AFutureIsFollowedBeforeItsAcceptanceAndAfterItsEnd) {
  FakeBroker broker;
  broker.OnReadOutput(SayId);
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, "q");
  const Future<int> future = executor.Submit(kSquare, 3);
  TaskOutput output = future.Follow();
  auto next = std::async(std::launch::async, [&] { return output.Next(); });
  stream->Tasks(1);
  stream->Accept(1, 1);
  EXPECT_EQ(next.get()->data, IdOf(7, 1));
  stream->Succeed(IdOf(7, 1), "9");
  ASSERT_EQ(*future.Result(60s), 9);
  EXPECT_EQ(future.Follow().Next()->data, IdOf(7, 1));
  // Those that are submitted together, too.
  const std::vector<Future<int>> futures = executor.SubmitAll(kSquare, std::vector<int>{1, 2, 3});
  stream->Tasks(3);
  stream->Accept(2, 4);
  stream->Succeed(IdOf(7, 3), "4");
  ASSERT_EQ(*futures[1].Result(60s), 4);
  EXPECT_EQ(futures[1].Follow().Next()->data, IdOf(7, 3));
}

TEST(Follow, StopEndsTheWaitForTheAcceptance) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, "q");
  TaskOutput output = executor.Submit(kSquare, 3).Follow();
  auto next = std::async(std::launch::async, [&] { return output.Next(); });
  stream->Tasks(1);
  output.Stop();
  EXPECT_FALSE(next.get().has_value());
  EXPECT_TRUE(absl::IsCancelled(output.status())) << output.status();
}

TEST(Follow, AWrongIdIsRefusedHere) {
  FakeBroker broker;
  const auto client = ConnectTo(broker);
  TaskOutput output = client->Follow("no id");
  EXPECT_FALSE(output.Next().has_value());
  EXPECT_TRUE(absl::IsInvalidArgument(output.status())) << output.status();
}

TEST(Follow, ReadOutputIsOneCallThatShutdownEnds) {
  FakeBroker broker;
  Waiting waiting;
  broker.OnReadOutput([&](grpc::ServerContext& context, const v1::ReadOutputRequest& request,
                          v1::ReadOutputResponse& response) {
    return request.wait_ms() > 0 ? waiting(context) : SayId(context, request, response);
  });
  const auto client = ConnectTo(broker);
  v1::ReadOutputRequest request;
  EXPECT_TRUE(absl::IsInvalidArgument(client->ReadOutput(request).status()));
  request.set_task_id(IdOf(3, 1));
  request.set_offset(5);
  const absl::StatusOr<v1::ReadOutputResponse> response = client->ReadOutput(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->next_offset(), 6u);
  request.set_wait_ms(3'600'000);
  auto asking = std::async(std::launch::async, [&] { return client->ReadOutput(request); });
  waiting.AwaitAsked();
  client->Shutdown();
  EXPECT_TRUE(absl::IsCancelled(asking.get().status()));
}

}  // namespace
}  // namespace treadle
