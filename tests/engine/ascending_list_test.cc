#include "server/engine/ascending_list.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "server/engine/long_vector.h"

namespace treadle::engine {
namespace {

struct Item {
  int key = 0;
  uint32_t slot = kNoSlot;
};
using Items = AscendingList<int, Item, &Item::slot>;

// The places that it has, holes among them.
size_t CountPlaces(const Items& list) {
  size_t places = 0;
  list.Visit([&](const Items::Entry&) {
    ++places;
    return true;
  });
  return places;
}

std::vector<int> KeysAfter(const Items& list, int key, size_t limit) {
  std::vector<int> keys;
  list.VisitAfter(key, [&](const Items::Entry& entry) {
    if (entry.item != nullptr) keys.push_back(entry.key);
    return keys.size() < limit;
  });
  return keys;
}

// Behind the first and the last one, which stay.
TEST(AscendingList, HolesAreClosedAFewAtATime) {
  constexpr size_t kCount = 100'000;
  constexpr size_t kSteps = 8;  // with one removal
  std::vector<Item> items(kCount);
  Items list;
  for (Item& item : items) list.Add(item, static_cast<int>(&item - &items.front()));
  std::vector<uint32_t> slots;
  const auto remember = [&] {
    slots.clear();
    for (const Item& item : items) slots.push_back(item.slot);
  };
  size_t most = 0;
  for (size_t i = 1; i + 1 < kCount; ++i) {
    const bool look = i % 997 == 0 || (i > kCount / 2 && i < kCount / 2 + 100);
    if (look) remember();
    list.Remove(items[i]);
    if (!look) continue;
    size_t moved = 0;
    for (size_t k = 0; k < kCount; ++k) moved += k != i && items[k].slot != slots[k] ? 1 : 0;
    most = std::max(most, moved);
    list.CheckInvariants();
  }
  EXPECT_LE(most, kSteps);
  EXPECT_EQ(list.size(), 2u);
  EXPECT_LT(CountPlaces(list), 200u);
  EXPECT_EQ(KeysAfter(list, -1, 10), (std::vector<int>{0, kCount - 1}));
}

TEST(AscendingList, AgreesWithASortedSetOverRandomOperations) {
  std::mt19937 random(11);
  for (int round = 0; round < 20; ++round) {
    std::deque<Item> items;
    std::set<int> keys;
    Items list;
    int next = 0;
    // Rather growing, rather shrinking, and from anywhere or from the front.
    for (int step = 0; step < 5'000; ++step) {
      const uint32_t add_in_ten = step / 500 % 2 == 0 ? 8 : 2;
      if (keys.empty() || random() % 10 < add_in_ten) {
        next += 1 + static_cast<int>(random() % 3);
        items.push_back({next, kNoSlot});
        if (list.empty() || list.back_key() < next) list.Add(items.back(), next);
        keys.insert(next);
      } else {
        auto chosen = keys.begin();
        if (round % 2 == 0) std::advance(chosen, random() % keys.size());
        for (Item& item : items) {
          if (item.key == *chosen) list.Remove(item);
        }
        keys.erase(chosen);
      }
      ASSERT_EQ(list.empty(), keys.empty());
      ASSERT_EQ(list.size(), keys.size());
      if (keys.empty()) continue;
      ASSERT_EQ(list.front_key(), *keys.begin());
      ASSERT_GE(list.back_key(), *keys.rbegin());
      if (step % 7 == 0) list.CheckInvariants();
      const int after = static_cast<int>(random() % static_cast<uint32_t>(next + 2)) - 1;
      std::vector<int> expected;
      for (auto at = keys.upper_bound(after); at != keys.end() && expected.size() < 5; ++at) {
        expected.push_back(*at);
      }
      ASSERT_EQ(KeysAfter(list, after, 5), expected);
    }
  }
}

TEST(AscendingList, ItsHolesAreFew) {
  std::mt19937 random(3);
  std::vector<Item> items(20'000);
  Items list;
  std::vector<Item*> left;
  for (Item& item : items) {
    list.Add(item, static_cast<int>(&item - &items.front()));
    left.push_back(&item);
  }
  while (left.size() > 1'000) {
    std::swap(left[random() % left.size()], left.back());
    list.Remove(*left.back());
    left.pop_back();
    ASSERT_LE(CountPlaces(list), 3 * list.size() + 100);
  }
}

// What a pointer to an element would see: nothing moves but within the first segment.
TEST(LongVector, GrowsWithoutMovingWhatIsThere) {
  LongVector<int> numbers;
  constexpr size_t kSegment = 1024;
  constexpr size_t kCount = 100'000;
  std::vector<const int*> at;
  for (size_t i = 0; i < kCount; ++i) {
    numbers.push_back(static_cast<int>(i));
    at.push_back(&numbers[i]);
  }
  for (size_t i = kSegment; i < kCount; ++i) ASSERT_EQ(&numbers[i], at[i]);
  for (size_t i = kCount; i > 0; --i) {
    ASSERT_EQ(numbers.size(), i);
    ASSERT_EQ(numbers.back(), static_cast<int>(i - 1));
    ASSERT_EQ(numbers[i / 2], static_cast<int>(i / 2));
    numbers.pop_back();
  }
  EXPECT_TRUE(numbers.empty());
  numbers.push_back(7);
  EXPECT_EQ(numbers[0], 7);
}

}  // namespace
}  // namespace treadle::engine
