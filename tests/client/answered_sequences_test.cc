#include "client/ledger/answered_sequences.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace treadle::client {
namespace {

TEST(AnsweredSequences, TheFloorRisesOverWhatIsWhole) {
  AnsweredSequences answered;
  EXPECT_EQ(answered.Floor(), 1u);
  answered.Add(3, 5);
  EXPECT_EQ(answered.Floor(), 1u);
  answered.Add(1, 1);
  EXPECT_EQ(answered.Floor(), 2u);
  answered.Add(2, 2);
  EXPECT_EQ(answered.Floor(), 6u);
  answered.Add(4, 4);
  EXPECT_EQ(answered.Floor(), 6u);
}

TEST(AnsweredSequences, AgreesWithASetOfNumbers) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    AnsweredSequences answered;
    std::set<uint64_t> model;
    for (int step = 0; step < 200; ++step) {
      const uint64_t first = 1 + random() % 300;
      const uint64_t last = first + random() % 8;
      answered.Add(first, last);
      for (uint64_t sequence = first; sequence <= last; ++sequence) model.insert(sequence);
      uint64_t floor = 1;
      while (model.contains(floor)) ++floor;
      ASSERT_EQ(answered.Floor(), floor) << "seed " << seed << ", step " << step;
    }
  }
}

}  // namespace
}  // namespace treadle::client
