#include "server/broker/parked_bodies.h"

#include <memory>

#include "gtest/gtest.h"

namespace treadle::broker {
namespace {

using engine::CallId;

BodyPtr Bytes() { return std::make_shared<const Body>(Body{.bytes = "payload"}); }

TEST(ParkedBodies, ATaskThatGetsItsRoomTakesItsBody) {
  ParkedBodies parked;
  const BodyPtr body = Bytes();
  parked.Park(CallId{1}, 7, TaskId{3, 7}, body);
  EXPECT_GT(parked.bytes(), 0);
  EXPECT_EQ(parked.Take(TaskId{3, 7}), body);
  EXPECT_TRUE(parked.empty());
  EXPECT_EQ(parked.bytes(), 0);
  parked.Answered(CallId{1}, 7);
}

TEST(ParkedBodies, ARefusalFreesTheBody) {
  ParkedBodies parked;
  parked.Park(CallId{1}, 7, TaskId{3, 7}, Bytes());
  parked.Park(CallId{1}, 8, TaskId{3, 8}, Bytes());
  parked.Answered(CallId{1}, 7);
  EXPECT_EQ(parked.Take(TaskId{3, 7}), nullptr);
  EXPECT_NE(parked.Take(TaskId{3, 8}), nullptr);
}

TEST(ParkedBodies, ASubmitterThatLeavesFreesAllOfItsOwn) {
  ParkedBodies parked;
  parked.Park(CallId{1}, 1, TaskId{3, 1}, Bytes());
  parked.Park(CallId{1}, 2, TaskId{3, 2}, Bytes());
  parked.Park(CallId{2}, 1, TaskId{4, 1}, Bytes());
  parked.CallClosed(CallId{1});
  EXPECT_EQ(parked.Take(TaskId{3, 1}), nullptr);
  EXPECT_EQ(parked.Take(TaskId{3, 2}), nullptr);
  EXPECT_NE(parked.Take(TaskId{4, 1}), nullptr);
}

TEST(ParkedBodies, TheNewerCallOfAResumedSessionTakesThePlaceOver) {
  ParkedBodies parked;
  const BodyPtr first = Bytes();
  parked.Park(CallId{1}, 7, TaskId{3, 7}, first);
  const int64_t bytes = parked.bytes();
  parked.Park(CallId{2}, 7, TaskId{3, 7}, Bytes());
  EXPECT_EQ(parked.bytes(), bytes);
  parked.CallClosed(CallId{1});
  EXPECT_EQ(parked.Take(TaskId{3, 7}), first);
}

TEST(ParkedBodies, WhatASessionHasParkedGoesOverToItsNewerStream) {
  ParkedBodies parked;
  parked.Park(CallId{1}, 7, TaskId{3, 7}, Bytes());
  parked.Park(CallId{1}, 8, TaskId{3, 8}, Bytes());
  parked.Park(CallId{5}, 7, TaskId{4, 7}, Bytes());
  parked.Adopt(3, CallId{2});
  parked.CallClosed(CallId{1});
  EXPECT_NE(parked.Take(TaskId{3, 7}), nullptr);
  parked.Answered(CallId{2}, 8);
  EXPECT_EQ(parked.Take(TaskId{3, 8}), nullptr);
  EXPECT_NE(parked.Take(TaskId{4, 7}), nullptr);
}

TEST(ParkedBodies, WhatOthersHaveParkedCostsNobodyTimeWhoOpensASession) {
  ParkedBodies parked;
  for (uint64_t task = 1; task <= 100'000; ++task) {
    parked.Park(CallId{1}, task, TaskId{5, task}, Bytes());
  }
  // Ten thousand million steps, if each looked at all.
  for (uint64_t session = 6; session < 100'006; ++session) parked.Adopt(session, CallId{2});
  EXPECT_EQ(parked.size(), 100'000);
}

}  // namespace
}  // namespace treadle::broker
