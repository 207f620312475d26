#include "server/broker/held_requests.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

#include "server/broker/inbox.h"

namespace treadle::broker {
namespace {

using engine::CallId;

Request Submit(CallId call, size_t payload_bytes) {
  return {engine::Command(engine::Submit{.call = call}),
          std::make_shared<const Body>(Body{.bytes = std::string(payload_bytes, 'x')})};
}

TEST(HeldRequests, WhatHasGoneOnHoldsNothingThoughOthersAreStillHeld) {
  HeldRequests held;
  held.Hold(CallId{1}, Submit(CallId{1}, 10), held.Lookup("mail", "first"));
  const int64_t first_bytes = held.bytes();
  held.Hold(CallId{2}, Submit(CallId{2}, 10'000), held.Lookup("mail", "second"));
  EXPECT_GT(held.bytes(), first_bytes + 10'000);
  const Request gone_on = std::move(held.Next(CallId{2})->request);
  held.Pop(CallId{2});
  EXPECT_EQ(held.bytes(), first_bytes);
  held.Pop(CallId{1});
  EXPECT_EQ(held.bytes(), 0);
  EXPECT_TRUE(held.empty());
}

}  // namespace
}  // namespace treadle::broker
