// Tests of what becomes of the work when something breaks.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "treadle/testing.h"
#include "treadle/treadle.h"

namespace {

using namespace std::chrono_literals;
using treadle::testing::LocalBroker;
using treadle::testing::LocalWorker;

constexpr treadle::TaskType<std::string(std::string)> kSend{"send"};

class Mail : public ::testing::Test {
 protected:
  void SetUp() override {
    auto broker = LocalBroker::Start();
    ASSERT_TRUE(broker.ok()) << broker.status();
    broker_ = *std::move(broker);
    mail_.emplace(broker_->client(), treadle::ExecutorOptions("mail"));
  }

  std::unique_ptr<LocalBroker> broker_;
  std::optional<treadle::Executor> mail_;
  std::atomic<int> sent_ = 0;
};

// [lease]
TEST_F(Mail, AWorkerThatHasLostItsLeaseStops) {
  LocalWorker worker(*broker_, "mail");
  std::atomic<bool> stopped = false;
  worker->Handle(kSend, [&](treadle::TaskContext& context, const std::string& to) {
    if (context.attempt() == 1) {  // this one is slow, until it is told
      while (context.SleepFor(1s)) continue;
      stopped = context.stop_reason() == treadle::StopReason::kLeaseLost;
      return std::string("nobody hears this");
    }
    return "sent to " + to;
  });
  worker.Start();
  treadle::Future<std::string> answer = mail_->Submit(kSend, "ann");

  ASSERT_TRUE(broker_->ExpireLease(answer).ok());
  EXPECT_EQ(answer.Result(60s).value(), "sent to ann");  // of the second attempt
  EXPECT_TRUE(worker.Stop().ok());
  EXPECT_TRUE(stopped);
}
// [lease]

// [duplicate]
TEST_F(Mail, IsSentOnceThoughTheTaskRunsTwice) {
  LocalWorker worker(*broker_, "mail", 1);
  std::set<std::string> seen;  // a database, in earnest
  std::atomic<int> runs = 0;
  worker->Handle(kSend, [&](treadle::TaskContext& context, const std::string& to) {
    ++runs;
    if (seen.insert(context.task_id()).second) ++sent_;
    return "sent to " + to;
  });
  worker.Start();

  broker_->DeliverNextTwice();
  EXPECT_EQ(mail_->Submit(kSend, "ann").Result(60s).value(), "sent to ann");
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(sent_, 1);
}
// [duplicate]

// [acknowledgement]
TEST_F(Mail, ALostAcknowledgementSendsNothingTwice) {
  LocalWorker worker(*broker_, "mail", 1);
  worker->Handle(kSend, [&](treadle::TaskContext&, const std::string& to) {
    ++sent_;
    return "sent to " + to;
  });
  worker.Start();

  broker_->LoseNextAcknowledgement();
  EXPECT_EQ(mail_->Submit(kSend, "ann").Result(60s).value(), "sent to ann");
  EXPECT_EQ(sent_, 1);
  EXPECT_EQ(broker_->faults_to_come(), 0);
}
// [acknowledgement]

// [restart]
TEST_F(Mail, OutlivesTheBroker) {
  treadle::Future<std::string> answer = mail_->Submit(kSend, "ann");
  ASSERT_TRUE(answer.Accepted(60s).ok());

  ASSERT_TRUE(broker_->Restart().ok());

  LocalWorker worker(*broker_, "mail");
  worker->Handle(kSend, [](treadle::TaskContext&, const std::string& to) { return "to " + to; });
  worker.Start();
  EXPECT_EQ(answer.Result(60s).value(), "to ann");
}
// [restart]

// [full]
TEST_F(Mail, ToAFullQueueIsRefused) {
  auto full = broker_->FillQueue("mail");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_TRUE(absl::IsResourceExhausted(mail_->Submit(kSend, "ann").Wait(60s)));
}
// [full]

}  // namespace
