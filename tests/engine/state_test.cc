#include "server/engine/state.h"

#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

TEST(State, KnowsWhatTheClockOfLeasesShowedBeforeNobodyListened) {
  State state{EngineOptions()};
  state.now_ms = 1'000;
  state.AddDeafTime(50);
  state.now_ms = 2'000;
  state.AddDeafTime(3);
  state.AddDeafTime(4);
  state.now_ms = 3'000;
  EXPECT_EQ(state.ListenedAt(1'000), 1'000);
  EXPECT_EQ(state.ListenedAt(1'500), 1'450);
  EXPECT_EQ(state.ListenedAt(2'000), 1'950);
  EXPECT_EQ(state.ListenedAt(3'000), 2'943);
  EXPECT_EQ(state.ListenedAt(3'000), state.ListenedMs());
}

TEST(State, TakesTheOldestOfManyTimesInWhichNobodyListenedForOne) {
  State state{EngineOptions()};
  for (; state.now_ms < 10'000; state.now_ms += 10) state.AddDeafTime(1);
  EXPECT_EQ(state.deaf_ms, 1'000);
  EXPECT_EQ(state.ListenedAt(9'995), 9'995 - 1'000);
  EXPECT_EQ(state.ListenedAt(9'985), 9'985 - 999);
  // Whoever has waited since then is not charged for any of them.
  EXPECT_EQ(state.ListenedAt(5'000), 5'000);
  EXPECT_LE(state.deafnesses.size(), 64u);
}

}  // namespace
}  // namespace treadle::engine
