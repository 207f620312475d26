#include "client/leases/held_leases.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stop_token>
#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "proto/support/limits.h"
#include "treadle/v1/worker_service.grpc.pb.h"

// Against a broker that answers when the test says so, as one does behind a slow network.

namespace treadle::client {
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

// Answers at once, but for what it is told to leave unanswered.
class QuickBroker final : public v1::WorkerService::Service {
 public:
  explicit QuickBroker(int questions_unanswered = 0, int64_t lease_ms = 3'600'000)
      : unanswered_(questions_unanswered), lease_ms_(lease_ms) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~QuickBroker() override {
    over_.set_value();
    server_->Shutdown();
  }

  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(port_),
                               grpc::InsecureChannelCredentials());
  }

  grpc::Status Lease(grpc::ServerContext*, const v1::LeaseRequest*,
                     v1::LeaseResponse* response) override {
    const int asked = ++asked_;
    if (asked <= unanswered_) {
      is_over_.wait();
      return grpc::Status(grpc::StatusCode::CANCELLED, "over");
    }
    v1::LeasedTask& task = *response->add_tasks();
    task.set_task_id("1-" + std::to_string(asked));
    task.set_token(static_cast<uint64_t>(asked));
    task.set_lease_ms(lease_ms_);
    return grpc::Status::OK;
  }
  grpc::Status Extend(grpc::ServerContext* context, const v1::ExtendRequest*,
                      v1::ExtendResponse*) override {
    if (!extended_.exchange(true)) {
      time_to_answer_.set_value(context->deadline() - std::chrono::system_clock::now());
    }
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "away");
  }
  grpc::Status Complete(grpc::ServerContext*, const v1::CompleteRequest* request,
                        v1::CompleteResponse* response) override {
    for (const v1::AttemptReport& report : request->reports()) {
      response->add_results()->set_token(report.token());
    }
    most_reports_ = std::max<int64_t>(most_reports_, request->reports_size());
    reports_ += request->reports_size();
    return grpc::Status::OK;
  }

  std::chrono::system_clock::duration TimeToAnswerAnExtension() {
    return time_to_answer_.get_future().get();
  }
  int64_t reports() const { return reports_; }
  int64_t most_reports() const { return most_reports_; }

 private:
  const int unanswered_;
  const int64_t lease_ms_;
  std::promise<void> over_;
  const std::shared_future<void> is_over_{over_.get_future()};
  std::atomic<int> asked_{0};
  std::atomic<bool> extended_{false};
  std::promise<std::chrono::system_clock::duration> time_to_answer_;
  std::atomic<int64_t> reports_{0};
  std::atomic<int64_t> most_reports_{0};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

absl::StatusOr<ClientLeaseRef> TakeOne(HeldLeases& leases) {
  return leases.Take(LeaseWish("queue", "type", 1h), std::chrono::steady_clock::now() + kPatience,
                     [] { return absl::OkStatus(); });
}

TEST(HeldLeases, AWaitOutlastsABrokerThatHangs) {
  QuickBroker broker(/*questions_unanswered=*/1);
  ClientOptions options;
  options.call_timeout = 20ms;
  Watches watches;
  HeldLeases leases(options, broker.Channel(), watches);
  const absl::StatusOr<ClientLeaseRef> lease = TakeOne(leases);
  EXPECT_TRUE(lease.ok()) << lease.status();
}

// The broker gives it to someone else then, whatever it answers later.
TEST(HeldLeases, AnExtensionIsNotWaitedForBeyondTheLeasesEnd) {
  constexpr auto kLife = 600ms;
  QuickBroker broker(0, std::chrono::milliseconds(kLife).count());
  const ClientOptions options;
  Watches watches;
  HeldLeases leases(options, broker.Channel(), watches);
  const absl::StatusOr<ClientLeaseRef> lease = TakeOne(leases);
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_LE(broker.TimeToAnswerAnExtension(), kLife);
}

TEST(HeldLeases, HoweverManyThereAreTheyGoBackInMessagesThatTheBrokerTakes) {
  constexpr int64_t kLeases = limits::kBatchTasksMax + 1;
  QuickBroker broker;
  const ClientOptions options;
  Watches watches;
  HeldLeases leases(options, broker.Channel(), watches);
  for (int64_t i = 0; i < kLeases; ++i) ASSERT_TRUE(TakeOne(leases).ok());
  leases.Shutdown();
  EXPECT_EQ(broker.reports(), kLeases);
  EXPECT_LE(broker.most_reports(), limits::kBatchTasksMax);
}

}  // namespace
}  // namespace treadle::client
