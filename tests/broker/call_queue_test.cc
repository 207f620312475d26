// Who waits for what is read: clients by what they have cost, a client's calls in turn.
#include "server/broker/call_queue.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using testing::ElementsAre;

constexpr CallId Call(uint64_t client, uint64_t number) {
  return CallId{(client << engine::kCallNumberBits) | number};
}

std::string Next(CallQueue<std::string>& queue, int64_t cost = 0) {
  auto next = queue.Next();
  if (!next.has_value()) return "none";
  queue.Done(next->first, cost);
  return next->second;
}

TEST(CallQueue, CallsOfOneClientTakeTurns) {
  CallQueue<std::string> queue;
  for (const char* item : {"a1", "a2", "a3"}) queue.Add(Call(1, 1), item);
  for (const char* item : {"b1", "b2"}) queue.Add(Call(1, 2), item);
  std::vector<std::string> got;
  while (!queue.empty()) got.push_back(Next(queue));
  EXPECT_THAT(got, ElementsAre("a1", "b1", "a2", "b2", "a3"));
  EXPECT_EQ(Next(queue), "none");
}

TEST(CallQueue, WhoHasCostMuchWaitsForWhoHasCostLittle) {
  CallQueue<std::string> queue;
  for (uint64_t call = 1; call <= 100; ++call) queue.Add(Call(1, call), "large");
  EXPECT_EQ(Next(queue, 1'000), "large");
  queue.Add(Call(2, 101), "small");
  queue.Add(Call(2, 102), "small");
  EXPECT_EQ(Next(queue, 10), "small");
  EXPECT_EQ(Next(queue, 10), "small");
  EXPECT_EQ(Next(queue, 1'000), "large");
}

TEST(CallQueue, WhoWasSilentHasSavedNothingUp) {
  CallQueue<std::string> queue;
  for (int i = 0; i < 10; ++i) queue.Add(Call(1, 1), "first");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Next(queue, 100), "first");
  for (int i = 0; i < 4; ++i) queue.Add(Call(2, 2), "second");
  int firsts = 0;
  for (int i = 0; i < 6; ++i) firsts += Next(queue, 100) == "first" ? 1 : 0;
  EXPECT_EQ(firsts, 3);
}

TEST(CallQueue, WhatIsGivenBackIsTheNext) {
  CallQueue<std::string> queue;
  queue.Add(Call(1, 1), "first");
  queue.Add(Call(1, 1), "second");
  auto first = queue.Next();
  auto second = queue.Next();
  queue.GiveBack(second->first, second->second);
  queue.GiveBack(first->first, first->second);
  EXPECT_EQ(Next(queue), "first");
  EXPECT_EQ(Next(queue), "second");
}

TEST(CallQueue, ACallThatHasClosedWaitsForNothing) {
  CallQueue<std::string> queue;
  queue.Add(Call(1, 1), "first");
  queue.Add(Call(1, 1), "second");
  queue.Add(Call(1, 2), "other");
  queue.CallClosed(Call(1, 1));
  EXPECT_EQ(queue.size(), 1);
  EXPECT_EQ(Next(queue), "other");
  EXPECT_EQ(Next(queue), "none");
}

// There is always something waiting or under way, and everybody comes once.
TEST(CallQueue, WhoHasGoneIsForgottenThoughOthersGoOnWaiting) {
  CallQueue<std::string> queue;
  queue.Add(Call(1, 1), "first");
  for (uint64_t client = 2; client < 10'000; ++client) {
    queue.Add(Call(client, client), "next");
    const auto next = queue.Next();
    queue.Add(Call(1, 1), "again");
    (void)Next(queue, 10);
    queue.Done(next->first, 1'000'000);
  }
  EXPECT_LE(queue.clients(), 1'100u);
}

TEST(CallQueue, WhoHasPaidIsForgottenAtOnce) {
  CallQueue<std::string> queue;
  for (int i = 0; i < 50; ++i) queue.Add(Call(1, 1), "many");
  for (uint64_t client = 2; client < 10; ++client) queue.Add(Call(client, client), "one");
  while (queue.size() > 10) (void)Next(queue, 3);
  EXPECT_EQ(queue.clients(), 1u);
  EXPECT_EQ(Next(queue), "many");
}

}  // namespace
}  // namespace treadle::broker
