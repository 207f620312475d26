#include "proto/support/task_map.h"

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "gtest/gtest.h"

namespace treadle {
namespace {

TEST(TaskMap, WhatIsRemovedIsGone) {
  TaskMap<std::unique_ptr<int>> map;
  map.Insert(TaskId{1, 7}, std::make_unique<int>(70));
  EXPECT_EQ(map.Find(TaskId{2, 7}), nullptr);
  EXPECT_EQ(map.Find(TaskId{1, 8}), nullptr);
  EXPECT_EQ(**map.Find(TaskId{1, 7}), 70);
  EXPECT_EQ(*map.Remove(TaskId{1, 7}), 70);
  EXPECT_EQ(map.Remove(TaskId{1, 7}), nullptr);
  EXPECT_EQ(map.Find(TaskId{1, 7}), nullptr);
  EXPECT_TRUE(map.empty());
}

TEST(TaskMap, TheLastIdsHaveTheirPlaces) {
  TaskMap<uint64_t> map;
  for (const uint64_t sequence : {uint64_t{0}, UINT64_MAX - 1, UINT64_MAX}) {
    map.Insert(TaskId{UINT64_MAX, sequence}, sequence | 1);
  }
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(*map.Find(TaskId{UINT64_MAX, UINT64_MAX}), UINT64_MAX);
}

TEST(TaskMap, MatchesAMap) {
  std::mt19937_64 random(5);
  std::map<TaskId, uint64_t> model;
  TaskMap<uint64_t> map;
  for (int step = 1; step < 200'000; ++step) {
    // Dense in places, with far neighbours that share a place among the recent pages.
    const TaskId id{random() % 3, random() % 300 + (random() % 4) * 64 * 16 * 1'000};
    const auto known = model.find(id);
    if (known == model.end()) {
      ASSERT_EQ(map.Find(id), nullptr);
      map.Insert(id, static_cast<uint64_t>(step));
      model[id] = static_cast<uint64_t>(step);
    } else if (random() % 2 == 0) {
      ASSERT_EQ(*map.Find(id), known->second);
    } else {
      ASSERT_EQ(map.Remove(id), known->second);
      model.erase(known);
    }
    ASSERT_EQ(map.size(), model.size());
  }
  std::map<TaskId, uint64_t> seen;
  map.ForEach([&](TaskId id, uint64_t value) { seen[id] = value; });
  EXPECT_EQ(seen, model);
}

}  // namespace
}  // namespace treadle
