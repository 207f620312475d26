#include "worker/session/lease_book.h"

#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/limits.h"
#include "tests/worker/fake_broker.h"

namespace treadle::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class LeaseBookTest : public ::testing::Test {
 protected:
  LeaseBookTest() : book_({LeaseBook::Room(2, Prefetch(3)), LeaseBook::Room(1, Prefetch(0))}) {}

  void Add(std::vector<uint64_t> tokens, int32_t pool = 0, bool confirm_start = false) {
    std::vector<AttemptPtr> attempts;
    for (const uint64_t token : tokens) {
      v1::LeasedTask task = TaskOf(token, "type");
      task.set_confirm_start(confirm_start);
      v1::LeasedRun run = RunOf(std::move(task));
      EXPECT_TRUE(ReadRun(run, std::chrono::steady_clock::now(), attempts));
    }
    book_.Add(attempts, pool);
  }
  void Begin(uint64_t token) { book_.Begin(*book_.Find(token)); }
  void Remove(uint64_t token) { book_.Remove(*AttemptPtr(book_.Find(token)->attempt)); }
  void Report(uint64_t token, double fraction, const char* message) {
    book_.Report(*book_.Find(token)->attempt, fraction, message);
  }
  std::vector<int32_t> Credit() {
    v1::AttachRequest request;
    book_.FillCredit(request, 0);
    std::vector<int32_t> credit(2);
    for (const v1::Credit& one : request.credits()) {
      credit[static_cast<size_t>(one.pool())] = one.tasks();
    }
    return credit;
  }
  std::vector<uint64_t> Starts() {
    v1::AttachRequest request;
    book_.FillStarts(request, to_confirm_);
    return {request.started_tokens().begin(), request.started_tokens().end()};
  }

  LeaseBook book_;
  std::vector<uint64_t> to_confirm_;
};

TEST(ReadRun, GivesEachTaskItsIdItsTokenAndItsPayload) {
  v1::LeasedRun run = RunOf(TaskOf(31, "type", "abb"));
  run.clear_payload_sizes();
  for (const uint32_t size : {1, 0, 2}) run.add_payload_sizes(size);
  std::vector<AttemptPtr> attempts;
  ASSERT_TRUE(ReadRun(run, std::chrono::steady_clock::now(), attempts));
  std::vector<std::string> told;
  for (const AttemptPtr& attempt : attempts) {
    told.push_back(absl::StrCat(attempt->task_id(), " ", attempt->token(), " ",
                                attempt->info().type, " ", attempt->TakePayload()));
  }
  EXPECT_THAT(told, ElementsAre("1-z 31 type a", "1-10 32 type ", "1-11 33 type bb"));
}

TEST(ReadRun, RefusesWhatIsNoRun) {
  const auto reads = [](const std::function<void(v1::LeasedRun&)>& spoil) {
    v1::LeasedRun run = RunOf(TaskOf(1, "type", "payload"));
    spoil(run);
    std::vector<AttemptPtr> attempts;
    return ReadRun(run, std::chrono::steady_clock::now(), attempts);
  };
  EXPECT_TRUE(reads([](v1::LeasedRun&) {}));
  EXPECT_FALSE(reads([](v1::LeasedRun& run) { run.clear_payload_sizes(); }));
  EXPECT_FALSE(reads([](v1::LeasedRun& run) { run.set_payload_sizes(0, 6); }));
  EXPECT_FALSE(reads([](v1::LeasedRun& run) { run.add_payload_sizes(1); }));
  EXPECT_FALSE(reads([](v1::LeasedRun& run) { run.mutable_first()->set_task_id("?"); }));
}

TEST_F(LeaseBookTest, CreditIsWhatSlotsAndPrefetchLeave) {
  EXPECT_TRUE(book_.has_credit(0));
  EXPECT_THAT(Credit(), ElementsAre(5, 1));
  EXPECT_FALSE(book_.has_credit(0));
  Add({1, 2});
  Add({3}, 1);
  EXPECT_THAT(Credit(), ElementsAre(0, 0)) << "what was promised has come";
  Remove(1);
  Remove(3);
  EXPECT_THAT(Credit(), ElementsAre(1, 1));
}

TEST_F(LeaseBookTest, WhatCameUnpromisedIsOwedNothing) {
  Credit();
  Add({1, 2, 3, 4, 5, 6, 7});
  Remove(1);
  Remove(2);
  EXPECT_FALSE(book_.has_credit(0));
  Remove(3);
  EXPECT_THAT(Credit(), ElementsAre(1, 0));
}

TEST_F(LeaseBookTest, ATokenIsEnteredOnce) {
  Add({1, 1, 2});
  Add({2, 3});
  EXPECT_EQ(book_.size(), 3);
}

TEST_F(LeaseBookTest, ALostLeaseKeepsItsRoomAndGivesUpItsToken) {
  Credit();
  Add({1, 2});
  const AttemptPtr lost = book_.Find(1)->attempt;
  Report(1, 0.5, "half");
  book_.Lose(1);
  book_.Lose(1);
  EXPECT_EQ(book_.Find(1), nullptr);
  EXPECT_EQ(book_.Find(*lost), nullptr);
  EXPECT_FALSE(book_.has_progress());
  EXPECT_EQ(book_.size(), 2);
  Add({1});  // a broker that has lost its memory counts anew
  ASSERT_NE(book_.Find(1), nullptr);
  EXPECT_NE(book_.Find(1)->attempt, lost);
  EXPECT_EQ(book_.size(), 3);
  EXPECT_THAT(Credit(), ElementsAre(0, 0));
  book_.Remove(*lost);
  EXPECT_NE(book_.Find(1), nullptr) << "it is the other one's";
  EXPECT_THAT(Credit(), ElementsAre(1, 0));
  book_.Remove(*lost);
  EXPECT_EQ(book_.size(), 2);
}

TEST_F(LeaseBookTest, AHelloVoidsTheCreditAndNamesTheLeases) {
  Credit();
  Add({1, 2, 3});
  Begin(1);
  book_.Lose(3);
  v1::WorkerHello hello;
  EXPECT_THAT(Starts(), ElementsAre(1));
  book_.FillHello(hello);
  EXPECT_THAT(hello.held_tokens(), UnorderedElementsAre(1, 2));
  EXPECT_THAT(Credit(), ElementsAre(2, 1));
  EXPECT_THAT(Starts(), ElementsAre(1)) << "the old stream was told, not this one";
}

TEST_F(LeaseBookTest, StartsAreToldOnceAndOnlyOfWhatStillRuns) {
  Add({1, 2, 3, 4});
  Begin(1);
  Begin(2);
  Begin(3);
  Remove(2);
  book_.Lose(3);
  EXPECT_TRUE(book_.has_starts());
  EXPECT_THAT(Starts(), ElementsAre(1));
  EXPECT_FALSE(book_.has_starts());
  Begin(4);
  EXPECT_THAT(Starts(), ElementsAre(4));
  EXPECT_THAT(to_confirm_, ElementsAre());
}

TEST_F(LeaseBookTest, StartsToConfirmAreNamedUntilTheyAre) {
  Add({1, 2}, 0, true);
  Begin(1);
  EXPECT_THAT(Starts(), ElementsAre(1));
  EXPECT_THAT(to_confirm_, ElementsAre(1));
  to_confirm_.clear();
  v1::WorkerHello hello;  // the stream that told it is lost
  book_.FillHello(hello);
  EXPECT_THAT(Starts(), ElementsAre(1));
  EXPECT_THAT(to_confirm_, ElementsAre(1));
  book_.Find(1)->confirmed = true;
  to_confirm_.clear();
  book_.FillHello(hello);
  EXPECT_THAT(Starts(), ElementsAre(1));
  EXPECT_THAT(to_confirm_, ElementsAre());
}

TEST_F(LeaseBookTest, TheLatestProgressIsTold) {
  Add({1, 2, 3});
  Report(1, 0.25, "a quarter");
  Report(1, 0.5, "half");
  Report(2, std::numeric_limits<double>::quiet_NaN(), "no\xFFthing");
  Report(3, 7, "gone");
  Remove(3);
  v1::AttachRequest request;
  book_.FillProgress(request);
  ASSERT_EQ(request.progress_size(), 2);
  EXPECT_FALSE(book_.has_progress());
  for (const v1::ProgressReport& report : request.progress()) {
    if (report.token() == 1) {
      EXPECT_EQ(report.progress().fraction(), 0.5);
      EXPECT_EQ(report.progress().message(), "half");
    } else {
      EXPECT_EQ(report.progress().fraction(), -1);
      EXPECT_EQ(report.progress().message(), "no\xEF\xBF\xBDthing");
    }
  }
}

TEST_F(LeaseBookTest, ADrainingWorkerAsksForNothing) {
  Add({1, 2});
  book_.WithdrawCredit();
  EXPECT_FALSE(book_.has_credit(0));
  Remove(1);
  EXPECT_THAT(Credit(), ElementsAre(0, 0));
}

// Grants all that is due, and has it all arrive.
int64_t FillUp(LeaseBook& book, uint64_t& token, int64_t reports) {
  v1::AttachRequest request;
  book.FillCredit(request, reports);
  for (const v1::Credit& credit : request.credits()) {
    std::vector<AttemptPtr> attempts;
    for (int32_t n = 0; n < credit.tasks(); ++n) {
      v1::LeasedRun run = RunOf(TaskOf(++token, "type"));
      EXPECT_TRUE(ReadRun(run, std::chrono::steady_clock::now(), attempts));
    }
    book.Add(attempts, credit.pool());
  }
  v1::WorkerHello hello;
  book.FillHello(hello);
  return hello.held_tokens_size();
}

TEST(LeaseBookBound, AHelloNeverNamesMoreThanItMay) {
  LeaseBook book({LeaseBook::Room(10'000, Prefetch(40'000)), LeaseBook::Room(30'000, Prefetch(0)),
                  LeaseBook::Room(1'000, Prefetch(40'000))});
  uint64_t token = 0;
  EXPECT_LE(FillUp(book, token, /*reports=*/20'000), limits::kHeldMax - 20'000);
  EXPECT_FALSE(book.has_credit(/*reports=*/20'000));
  EXPECT_TRUE(book.has_credit(0)) << "once they are acknowledged";
  EXPECT_GE(FillUp(book, token, 0), 10'000 + 30'000 + 1'000) << "no pool takes the slots of others";
  EXPECT_LE(FillUp(book, token, 0), limits::kHeldMax);
}

TEST_F(LeaseBookTest, StartsTravelInMessagesThatTheBrokerTakes) {
  std::vector<uint64_t> tokens;
  for (uint64_t token = 1; token <= 10'001; ++token) tokens.push_back(token);
  Add(tokens);
  for (const uint64_t token : tokens) Begin(token);
  size_t told = 0;
  while (book_.has_starts()) {
    const size_t starts = Starts().size();
    EXPECT_LE(starts, limits::kBatchTasksMax);
    told += starts;
  }
  EXPECT_EQ(told, tokens.size());
}

TEST(LeaseBookPrefetch, ASlotThatStoodEmptyThoughTheBrokerHadMoreGrowsIt) {
  LeaseBook book({LeaseBook::Room(1, Prefetch(std::nullopt))});
  v1::AttachRequest request;
  uint64_t token = 0;
  int32_t granted = 0;
  for (int i = 0; i < 30; ++i) {
    request.Clear();
    book.FillCredit(request, 0);
    granted = request.credits_size() == 0 ? 0 : request.credits(0).tasks();
    std::vector<AttemptPtr> attempts;
    for (int32_t n = 0; n < granted; ++n) {
      v1::LeasedRun run = RunOf(TaskOf(++token, "type"));
      EXPECT_TRUE(ReadRun(run, std::chrono::steady_clock::now(), attempts));
    }
    book.Add(attempts, 0);
    for (const AttemptPtr& attempt : attempts) {
      book.Begin(*book.Find(attempt->token()));
      book.Remove(*attempt);
    }
  }
  EXPECT_GT(granted, 1'000);
}

}  // namespace
}  // namespace treadle::worker
