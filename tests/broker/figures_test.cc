#include "server/broker/figures.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

class FiguresTest : public BrokerTest {
 protected:
  Figures Look() {
    std::optional<Figures> seen;
    broker->Visit([&seen](const View& view) { seen = view.Figures(); });
    Turn();
    EXPECT_TRUE(seen.has_value());
    return seen.value_or(Figures());
  }
};

TEST_F(FiguresTest, AVisitSeesWhatWasPostedBefore) {
  Submit("payload");
  Turn();
  int64_t tasks = 0;
  broker->Visit([&tasks](const View& view) { tasks = view.engine.Totals().unfinished_tasks; });
  EXPECT_EQ(tasks, 0) << "it is made by the next turn";
  Turn();
  EXPECT_EQ(tasks, 1);
}

TEST_F(FiguresTest, ASyncLastsFromTheAppendToItsReturn) {
  const auto before = Look().turns.sync_ms;
  Submit("first");
  Turn();
  clock.now_ms += 4;
  Submit("second");  // appended while the first sync is under way
  Turn();
  clock.now_ms += 30;
  EXPECT_EQ(Look().turns.sync_ms.count(), before.count()) << "the disk has not answered";
  store.FinishSync();
  Turn();
  const auto after = Look().turns.sync_ms;
  EXPECT_EQ(after.count(), before.count() + 2);
  EXPECT_EQ(after.sum(), before.sum() + 34 + 30);
  EXPECT_EQ(Look().turns.sync_last_ms, 30);
}

TEST_F(FiguresTest, ATurnCountsWhatItTookAndStored) {
  const Figures at_first = Look();
  const TurnFigures& before = at_first.turns;
  Submit("one");
  Submit("two");
  Submit("three");
  TurnAndSync();
  const Figures after = Look();
  EXPECT_EQ(after.turns.requests.count(), before.requests.count() + 1);
  EXPECT_EQ(after.turns.requests.sum(), before.requests.sum() + 3);
  EXPECT_EQ(after.turns.batch_bytes.count(), before.batch_bytes.count() + 1);
  EXPECT_GT(after.turns.batch_bytes.sum(), before.batch_bytes.sum() + 11);
  EXPECT_GE(after.turns.rows, before.rows + 3);
  EXPECT_EQ(after.holdings.unfinished_tasks, 3);
  EXPECT_EQ(after.unsynced_bytes, 0);
  EXPECT_GE(after.payload_cache_bytes, at_first.payload_cache_bytes + 11)
      << "nobody has taken them";
  EXPECT_GT(after.free_store_bytes, 0);
}

TEST_F(FiguresTest, WhatWaitsIsSeenInItsLane) {
  Submit("payload");
  const Figures figures = Look();  // the same turn takes both
  EXPECT_EQ(figures.lanes[static_cast<size_t>(Lane::kClients)].requests, 1);
  EXPECT_GE(figures.lanes[static_cast<size_t>(Lane::kClients)].bytes, 7);
  EXPECT_EQ(figures.lanes[static_cast<size_t>(Lane::kWorkers)].requests, 0);
  EXPECT_EQ(Look().lanes[static_cast<size_t>(Lane::kClients)].requests, 0);
}

}  // namespace
}  // namespace treadle::broker
