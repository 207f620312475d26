#include "server/broker/gate.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using engine::Durability;
using testing::ElementsAre;
using testing::IsEmpty;

// Remembers the numbers of the reports that were released, and forgets all else.
class Listener final : public Outbox {
 public:
  void Release(std::vector<Delivery> deliveries) override {
    for (Delivery& delivery : deliveries) {
      const auto* handled = std::get_if<engine::ReportsHandled>(&delivery);
      if (handled != nullptr) heard.push_back(handled->sequence);
    }
  }
  std::vector<uint64_t> heard;
};

Delivery Number(uint64_t number) { return engine::ReportsHandled{CallId{1}, number}; }

class GateTest : public testing::Test {
 protected:
  Listener listener;
  Gate gate{listener};
};

TEST_F(GateTest, WhatMustBeOnDiskWaitsForIt) {
  gate.Appended(1, 100);
  gate.Written(1);
  gate.Say(Durability::kSynced, Number(1));
  gate.Say(Durability::kWritten, Number(2));
  gate.Say(Durability::kMemory, Number(3));
  EXPECT_TRUE(gate.EndTurn());
  EXPECT_THAT(listener.heard, ElementsAre(2, 3));
  EXPECT_FALSE(gate.AwaitsWrite());
  gate.Synced(1);
  EXPECT_THAT(listener.heard, ElementsAre(2, 3, 1));
  EXPECT_EQ(gate.waiting_bytes(), 0);
}

TEST_F(GateTest, WhatMustBeWrittenWaitsForTheWriteOfItsOwnTurn) {
  for (store::Sequence turn = 1; turn <= 2; ++turn) {
    gate.Appended(turn, 100);
    gate.Say(Durability::kSynced, Number(10 * turn));
    gate.Say(Durability::kWritten, Number(10 * turn + 1));
    gate.Say(Durability::kMemory, Number(10 * turn + 2));
    gate.EndTurn();
  }
  EXPECT_THAT(listener.heard, ElementsAre(12, 22));
  EXPECT_TRUE(gate.AwaitsWrite());
  gate.Written(1);
  EXPECT_THAT(listener.heard, ElementsAre(12, 22, 11));
  gate.Synced(1);
  EXPECT_THAT(listener.heard, ElementsAre(12, 22, 11, 10));
  gate.Synced(2);  // is written, too
  EXPECT_THAT(listener.heard, ElementsAre(12, 22, 11, 10, 21, 20));
  EXPECT_FALSE(gate.AwaitsWrite());
  EXPECT_EQ(gate.waiting_bytes(), 0);
}

TEST_F(GateTest, RowsAreCountedOnceWithWhatWaitsLongest) {
  gate.Appended(1, 1'000'000);
  gate.Say(Durability::kWritten, Number(1));
  gate.Say(Durability::kSynced, Number(2));
  gate.EndTurn();
  const int64_t bytes = gate.waiting_bytes();
  EXPECT_GE(bytes, 1'000'000);
  EXPECT_LT(bytes, 2'000'000);
  gate.Written(1);
  EXPECT_GE(gate.waiting_bytes(), 1'000'000);
  gate.Appended(2, 1'000'000);
  gate.Say(Durability::kWritten, Number(3));
  gate.EndTurn();
  EXPECT_GE(gate.waiting_bytes(), 2'000'000);
  gate.Written(2);
  EXPECT_LT(gate.waiting_bytes(), 2'000'000);
}

// A body is held as long as its delivery: rows were counted when they were appended, but a payload
// that is leased and a result that is told come from the store, or from a turn long ago.
TEST_F(GateTest, BodiesOfDeliveriesThatWaitAreCounted) {
  constexpr int64_t kMiB = 1 << 20;
  constexpr int64_t kSmall = 10'000;
  const auto body = std::make_shared<const Body>(Body{.bytes = std::string(kMiB, 'x')});
  const auto headers =
      std::make_shared<const Body>(Body{.headers = {{"name", std::string(kMiB, 'x')}}});
  const auto failed = std::make_shared<engine::FinishedRow>();
  failed->error.message.resize(kMiB);
  const auto detailed = std::make_shared<engine::FinishedRow>(*failed);
  detailed->body = AllOf(body);
  gate.Appended(1, 100);
  Leased leased{.call = CallId{1}};
  leased.runs = {{.payload = AllOf(body)}, {.payload = AllOf(headers)}, {.payload = {}}};
  gate.Say(Durability::kSynced, std::move(leased));
  gate.EndTurn();
  EXPECT_GE(gate.waiting_bytes(), 2 * kMiB);
  EXPECT_LT(gate.waiting_bytes(), 2 * kMiB + kSmall);
  gate.Say(Durability::kSynced, OutcomeReady{.call = CallId{1}, .row = detailed});
  gate.EndTurn();
  EXPECT_GE(gate.waiting_bytes(), 4 * kMiB);
  EXPECT_LT(gate.waiting_bytes(), 4 * kMiB + 2 * kSmall);
  gate.Say(Durability::kSynced, OutcomeReady{.call = CallId{1}, .row = failed});
  gate.EndTurn();
  EXPECT_GE(gate.waiting_bytes(), 5 * kMiB);
  Answer answer([body] { EXPECT_NE(body, nullptr); });
  answer.bytes = kMiB;
  gate.Say(Durability::kSynced, std::move(answer));
  gate.EndTurn();
  EXPECT_GE(gate.waiting_bytes(), 6 * kMiB);
  EXPECT_LT(gate.waiting_bytes(), 6 * kMiB + 4 * kSmall);
  gate.Synced(1);
  EXPECT_EQ(gate.waiting_bytes(), 0);
}

TEST_F(GateTest, FurtherTurnsRunWhileASyncIsUnderWay) {
  for (store::Sequence turn = 1; turn <= 3; ++turn) {
    gate.Appended(turn, 100);
    gate.Say(Durability::kSynced, Number(turn));
    EXPECT_TRUE(gate.EndTurn());
  }
  EXPECT_THAT(listener.heard, IsEmpty());
  gate.Synced(2);
  EXPECT_THAT(listener.heard, ElementsAre(1, 2));
  gate.Synced(3);
  EXPECT_THAT(listener.heard, ElementsAre(1, 2, 3));
}

TEST_F(GateTest, ATurnWithoutRowsStillWaitsForWhatItRestsOn) {
  gate.Appended(1, 100);
  EXPECT_FALSE(gate.EndTurn());  // nobody waits: no sync
  gate.Say(Durability::kSynced, Number(1));
  EXPECT_TRUE(gate.EndTurn());
  EXPECT_THAT(listener.heard, IsEmpty());
  gate.Say(Durability::kSynced, Number(2));
  EXPECT_FALSE(gate.EndTurn());  // that sync is asked for
  gate.Synced(1);
  gate.Say(Durability::kSynced, Number(3));
  EXPECT_FALSE(gate.EndTurn());
  EXPECT_THAT(listener.heard, ElementsAre(1, 2, 3));
}

TEST_F(GateTest, NothingLeavesBeforeWhatHoldsAllIsSynced) {
  gate.Appended(1, 100);
  gate.HoldAll();
  gate.Say(Durability::kSynced, Number(1));
  gate.Say(Durability::kMemory, Number(2));
  EXPECT_TRUE(gate.EndTurn());
  gate.Appended(2, 100);
  gate.Say(Durability::kWritten, Number(3));
  gate.Say(Durability::kMemory, Number(4));
  EXPECT_FALSE(gate.EndTurn());  // the sync that they wait for is asked for
  gate.Written(2);
  EXPECT_THAT(listener.heard, IsEmpty());
  gate.Synced(1);
  EXPECT_THAT(listener.heard, ElementsAre(2, 4, 3, 1));
  gate.Say(Durability::kMemory, Number(5));
  gate.EndTurn();
  EXPECT_THAT(listener.heard, ElementsAre(2, 4, 3, 1, 5));
  EXPECT_EQ(gate.waiting_bytes(), 0);
}

TEST_F(GateTest, HoldingAllAsksForASyncThoughNobodyWaits) {
  gate.Appended(1, 100);
  gate.HoldAll();
  EXPECT_TRUE(gate.EndTurn());
  gate.Synced(1);
  gate.Say(Durability::kMemory, Number(1));
  EXPECT_FALSE(gate.EndTurn());
  EXPECT_THAT(listener.heard, ElementsAre(1));
}

}  // namespace
}  // namespace treadle::broker
