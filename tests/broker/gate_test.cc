#include "server/broker/gate.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using engine::Durability;
using testing::ElementsAre;
using testing::IsEmpty;

// Remembers the numbers of the reports that were released.
class Listener final : public Outbox {
 public:
  void Release(std::vector<Delivery> deliveries) override {
    for (Delivery& delivery : deliveries) {
      heard.push_back(std::get<engine::ReportsHandled>(delivery).sequence);
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
  gate.Say(Durability::kSynced, Number(1));
  gate.Say(Durability::kWritten, Number(2));
  gate.Say(Durability::kMemory, Number(3));
  EXPECT_TRUE(gate.EndTurn());
  EXPECT_THAT(listener.heard, ElementsAre(3));
  gate.Written(1);
  EXPECT_THAT(listener.heard, ElementsAre(3, 2));
  gate.Synced(1);
  EXPECT_THAT(listener.heard, ElementsAre(3, 2, 1));
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

TEST_F(GateTest, NothingOvertakesAFirstWord) {
  gate.Appended(1, 100);
  gate.SayFirst(Durability::kSynced, Number(1));
  gate.Say(Durability::kMemory, Number(2));
  EXPECT_TRUE(gate.EndTurn());
  gate.Appended(2, 100);
  gate.Say(Durability::kMemory, Number(3));
  EXPECT_FALSE(gate.EndTurn());  // the sync that it waits for is asked for
  EXPECT_THAT(listener.heard, IsEmpty());
  gate.Synced(2);
  EXPECT_THAT(listener.heard, ElementsAre(1, 2, 3));
}

TEST_F(GateTest, NothingOvertakesAFirstWordThatIsHeldByAnother) {
  gate.Appended(1, 100);
  gate.SayFirst(Durability::kSynced, Number(1));
  gate.EndTurn();
  gate.Appended(2, 100);
  gate.SayFirst(Durability::kMemory, Number(2));
  gate.EndTurn();
  gate.Synced(1);
  gate.Say(Durability::kMemory, Number(3));
  gate.EndTurn();
  EXPECT_THAT(listener.heard, ElementsAre(1, 2, 3));
}

TEST_F(GateTest, WhatIsHeldByAFirstWordIsNotOvertakenByWhatIsSaidAfterIt) {
  gate.Appended(1, 100);
  gate.SayFirst(Durability::kSynced, Number(1));
  gate.EndTurn();
  gate.Appended(2, 100);
  gate.Say(Durability::kSynced, Number(2));
  gate.Say(Durability::kMemory, Number(3));
  gate.EndTurn();
  gate.Synced(1);
  EXPECT_THAT(listener.heard, ElementsAre(1, 3));
  gate.Say(Durability::kMemory, Number(4));
  gate.EndTurn();
  EXPECT_THAT(listener.heard, ElementsAre(1, 3, 4));
  gate.Synced(2);
  EXPECT_THAT(listener.heard, ElementsAre(1, 3, 4, 2));
  EXPECT_EQ(gate.waiting_bytes(), 0);
}

TEST_F(GateTest, WhatMustBeWrittenWaitsForAllThatWasAppendedBefore) {
  gate.Appended(1, 100);
  EXPECT_FALSE(gate.EndTurn());
  gate.Say(Durability::kWritten, Number(1));
  EXPECT_FALSE(gate.EndTurn());
  gate.Appended(2, 100);
  gate.Say(Durability::kWritten, Number(2));
  EXPECT_FALSE(gate.EndTurn());
  EXPECT_THAT(listener.heard, IsEmpty());
  EXPECT_GT(gate.waiting_bytes(), 100);
  gate.Written(1);
  EXPECT_THAT(listener.heard, ElementsAre(1));
  gate.Synced(2);  // what is synced is written
  EXPECT_THAT(listener.heard, ElementsAre(1, 2));
  gate.Say(Durability::kWritten, Number(3));
  EXPECT_FALSE(gate.EndTurn());
  EXPECT_THAT(listener.heard, ElementsAre(1, 2, 3));
  EXPECT_EQ(gate.waiting_bytes(), 0);
}

TEST_F(GateTest, WhatMustBeWrittenIsHeldByAFirstWordToo) {
  gate.Appended(1, 100);
  gate.SayFirst(Durability::kSynced, Number(1));
  EXPECT_TRUE(gate.EndTurn());
  gate.Appended(2, 100);
  gate.Say(Durability::kWritten, Number(2));
  EXPECT_FALSE(gate.EndTurn());
  gate.Written(2);
  EXPECT_THAT(listener.heard, IsEmpty());
  gate.Synced(1);
  EXPECT_THAT(listener.heard, ElementsAre(1, 2));
}

TEST_F(GateTest, WhatRestsOnNothingWaitsForNothing) {
  gate.Appended(1, 100);
  gate.SayFirst(Durability::kSynced, Number(1));
  gate.SayAtOnce(Number(2));
  EXPECT_TRUE(gate.EndTurn());
  EXPECT_THAT(listener.heard, ElementsAre(2));
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
