#include "client/held_leases.h"

#include <chrono>
#include <future>
#include <memory>
#include <stop_token>
#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "treadle/v1/worker_service.grpc.pb.h"

// Against a broker that answers when the test says so, as one does behind a slow network.

namespace treadle {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;

class SlowBroker final : public v1::WorkerService::Service {
 public:
  SlowBroker() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~SlowBroker() override { server_->Shutdown(); }

  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(port_),
                               grpc::InsecureChannelCredentials());
  }

  grpc::Status Lease(grpc::ServerContext*, const v1::LeaseRequest*,
                     v1::LeaseResponse* response) override {
    asked_.set_value();
    *response = answer_.get_future().get();
    return grpc::Status::OK;
  }
  // Nobody can renew a lease here, or say that it is lost.
  grpc::Status Extend(grpc::ServerContext*, const v1::ExtendRequest*,
                      v1::ExtendResponse*) override {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
  }
  grpc::Status Complete(grpc::ServerContext*, const v1::CompleteRequest* request,
                        v1::CompleteResponse* response) override {
    for (const v1::AttemptReport& report : request->reports()) {
      response->add_results()->set_token(report.token());
    }
    completed_.set_value(*request);
    return grpc::Status::OK;
  }

  void AwaitQuestion() {
    ASSERT_EQ(asked_.get_future().wait_for(kPatience), std::future_status::ready);
  }
  void Answer(int64_t lease_ms, int64_t waited_ms = 0) {
    v1::LeaseResponse response;
    response.set_waited_ms(waited_ms);
    v1::LeasedTask& task = *response.add_tasks();
    task.set_task_id("1-1");
    task.set_token(7);
    task.set_lease_ms(lease_ms);
    answer_.set_value(response);
  }
  v1::CompleteRequest Completed() { return completed_.get_future().get(); }

 private:
  int port_ = 0;
  std::promise<void> asked_;
  std::promise<v1::LeaseResponse> answer_;
  std::promise<v1::CompleteRequest> completed_;
  std::unique_ptr<grpc::Server> server_;
};

class HeldLeasesTest : public testing::Test {
 protected:
  void Ask() {
    leases_.TakeOnce(LeaseWish("queue", "type", 1h), 30s,
                     [this](absl::StatusOr<ClientLeaseRef> lease) { taken_.set_value(lease); });
    broker_.AwaitQuestion();
  }
  absl::StatusOr<ClientLeaseRef> Taken() { return taken_.get_future().get(); }

  SlowBroker broker_;
  const ClientOptions options_;
  Watches watches_;
  HeldLeases leases_{options_, broker_.Channel(), watches_};
  std::promise<absl::StatusOr<ClientLeaseRef>> taken_;
};

// What the lease has lived on its way counts: the broker, which was not reached again, has given it
// to someone else by then.
TEST_F(HeldLeasesTest, ALeaseThatWasLongOnItsWayIsNotBelievedInForLonger) {
  Ask();
  broker_.Answer(/*lease_ms=*/1);
  const ClientLeaseRef lease = *Taken();
  std::promise<void> lost;
  const std::stop_callback tell(lease->lost(), [&] { lost.set_value(); });
  EXPECT_EQ(lost.get_future().wait_for(kPatience), std::future_status::ready);
}

TEST_F(HeldLeasesTest, WhatTheCallWaitedForATaskIsNotOfTheLeasesLife) {
  Ask();
  broker_.Answer(/*lease_ms=*/1, /*waited_ms=*/3'600'000);
  const ClientLeaseRef lease = *Taken();
  EXPECT_FALSE(lease->lost().stop_requested());
  EXPECT_TRUE(leases_.End(lease, v1::ATTEMPT_END_SUCCEEDED).ok());
}

TEST_F(HeldLeasesTest, WhatArrivesAfterTheShutdownGoesBackAtOnceAndToNobody) {
  Ask();
  leases_.Shutdown();
  broker_.Answer(/*lease_ms=*/3'600'000);
  EXPECT_EQ(Taken().status().code(), absl::StatusCode::kCancelled);
  const v1::CompleteRequest completed = broker_.Completed();
  ASSERT_EQ(completed.reports_size(), 1);
  EXPECT_EQ(completed.reports(0).token(), 7u);
  EXPECT_EQ(completed.reports(0).end(), v1::ATTEMPT_END_RELEASED);
}

}  // namespace
}  // namespace treadle
