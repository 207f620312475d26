#include "worker/pool/attempt_line.h"

#include <deque>
#include <random>

#include <gtest/gtest.h>

#include "tests/worker/pool/recording_events.h"

namespace treadle::worker {
namespace {

TEST(AttemptLine, FirstComeFirst) {
  AttemptLine line;
  for (AttemptPtr& attempt : NewAttempts(1, 3, "a")) line.PushBack(std::move(attempt));
  EXPECT_EQ(line.size(), 3);
  for (uint64_t token = 1; token <= 3; ++token) EXPECT_EQ(line.PopFront()->token(), token);
  EXPECT_TRUE(line.empty());
}

TEST(AttemptLine, RemovesOnlyWhatIsInIt) {
  AttemptLine line, other;
  const AttemptPtr attempt = NewAttempt(1, "a");
  EXPECT_FALSE(line.Remove(*attempt));
  other.PushBack(attempt);
  EXPECT_FALSE(line.Remove(*attempt));
  EXPECT_TRUE(other.Remove(*attempt));
  EXPECT_FALSE(other.Remove(*attempt));
}

TEST(AttemptLine, BehavesLikeADequeUnderRandomUse) {
  std::mt19937 random(7);
  AttemptLine line;
  std::deque<AttemptPtr> model;
  uint64_t token = 0;
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t choice = random() % 6;
    if (choice < 2 || model.empty()) {
      model.push_back(NewAttempt(++token, "a"));
      line.PushBack(model.back());
    } else if (choice == 2) {
      ASSERT_EQ(line.PopFront(), model.front());
      model.pop_front();
    } else if (choice == 3) {
      ASSERT_EQ(line.PopBack(), model.back());
      model.pop_back();
    } else {
      const auto chosen = model.begin() + static_cast<std::ptrdiff_t>(random() % model.size());
      ASSERT_TRUE(line.Remove(**chosen));
      model.erase(chosen);
    }
    ASSERT_EQ(line.size(), model.size());
  }
}

TEST(AttemptLine, ALongLineIsFreedWithoutDeepRecursion) {
  AttemptLine line;
  for (AttemptPtr& attempt : NewAttempts(1, 300'000, "a")) line.PushBack(std::move(attempt));
}

}  // namespace
}  // namespace treadle::worker
