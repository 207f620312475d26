#include "worker/placement/placement.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AttemptResult Nothing(TaskContext&, std::string) { return AttemptResult(); }

class PlacementTest : public ::testing::Test {
 protected:
  void Add(const std::string& type, RunIn wish, bool coroutine = false) {
    handlers_.Add(type, Nothing);
    ASSERT_TRUE(placement_.Add(type, wish, coroutine).ok());
  }
  // As if it had run.
  void Run(const std::string& type, int times, int64_t cpu_us, int64_t wall_us) {
    RunTimes each;
    each.cpu_ns = cpu_us * 1'000;
    each.wall_ns = wall_us * 1'000;
    for (int i = 0; i < times; ++i) {
      handlers_.MeterOf(type)->Begin();
      handlers_.MeterOf(type)->Add(each);
    }
  }
  std::string Describe(const std::string& type) {
    return placement_.Describe(type, HandlerShare::Of(*handlers_.MeterOf(type)));
  }

  Handlers handlers_;
  Placement placement_;
};

TEST_F(PlacementTest, EachTypeIsInThePoolOfItsHandler) {
  Add("a", RunIn::kThread);
  Add("b", RunIn::kProcess);
  Add("c", RunIn::kCoroutine, true);
  EXPECT_THAT(placement_.TypesIn(RunIn::kThread), ElementsAre("a"));
  EXPECT_THAT(placement_.TypesIn(RunIn::kProcess), ElementsAre("b"));
  EXPECT_THAT(placement_.TypesIn(RunIn::kCoroutine), ElementsAre("c"));
}

TEST_F(PlacementTest, TheOperatorHasTheLastWord) {
  Add("a", RunIn::kThread);
  Add("c", RunIn::kCoroutine, true);
  EXPECT_TRUE(placement_.Override("a", RunIn::kProcess).ok());
  EXPECT_TRUE(placement_.Override("c", RunIn::kThread).ok());
  EXPECT_EQ(placement_.PoolOf("a"), RunIn::kProcess);
  EXPECT_EQ(placement_.PoolOf("c"), RunIn::kThread);
  EXPECT_FALSE(placement_.Needs(RunIn::kCoroutine));
  EXPECT_EQ(placement_.Override("a", RunIn::kCoroutine).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(placement_.Override("x", RunIn::kThread).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PlacementTest, AfterItsFirstRunsAHandlerThatComputesMovesToProcesses) {
  Add("computes", RunIn::kAuto);
  Add("waits", RunIn::kAuto);
  Add("short", RunIn::kAuto);
  EXPECT_TRUE(placement_.Needs(RunIn::kProcess)) << "it may be wanted";
  Run("computes", 15, 900, 1'000);
  EXPECT_FALSE(placement_.Decide(handlers_)) << "too early";
  Run("computes", 1, 900, 1'000);
  Run("waits", 16, 100, 1'000);
  Run("short", 16, 9, 10);
  EXPECT_TRUE(placement_.Decide(handlers_));
  EXPECT_THAT(placement_.TypesIn(RunIn::kProcess), ElementsAre("computes"));
  EXPECT_THAT(placement_.TypesIn(RunIn::kThread), ElementsAre("short", "waits"));
  Run("waits", 1'000, 1'000, 1'000);
  EXPECT_FALSE(placement_.Decide(handlers_)) << "once and for all";
}

TEST_F(PlacementTest, FewLongRunsAreEnough) {
  Add("long", RunIn::kAuto);
  Run("long", 3, 900'000, 1'000'000);
  EXPECT_TRUE(placement_.Decide(handlers_));
}

TEST_F(PlacementTest, ACoroutineThatIsLeftToUsStaysOne) {
  Add("c", RunIn::kAuto, true);
  EXPECT_EQ(placement_.PoolOf("c"), RunIn::kCoroutine);
  EXPECT_FALSE(placement_.Needs(RunIn::kProcess));
}

TEST_F(PlacementTest, WhatItTellsItsOperator) {
  Add("computes", RunIn::kThread);
  Add("waits", RunIn::kProcess);
  Add("fits", RunIn::kThread);
  Add("rare", RunIn::kThread);
  Run("computes", 20, 970, 1'000);
  Run("waits", 20, 10, 1'000);
  Run("fits", 20, 10, 1'000);
  Run("rare", 2, 10, 1'000);
  EXPECT_EQ(Describe("computes"),
            "handler 'computes' ran 20 times in thread, 1 ms each, 97 % of it computing: run it in "
            "processes");
  EXPECT_THAT(Describe("waits"), HasSubstr("run it on threads, or as a coroutine"));
  EXPECT_THAT(Describe("fits"), HasSubstr("as it should be"));
  EXPECT_THAT(Describe("rare"), HasSubstr("too few runs"));
}

TEST(RunIn, WordsGoBothWays) {
  for (const RunIn run_in : {RunIn::kThread, RunIn::kProcess, RunIn::kCoroutine, RunIn::kAuto}) {
    EXPECT_EQ(RunInFrom(ToString(run_in)), run_in);
  }
  EXPECT_EQ(RunInFrom("fiber"), std::nullopt);
}

}  // namespace
}  // namespace treadle::worker
