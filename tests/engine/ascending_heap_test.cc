#include "server/engine/ascending_heap.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

struct Item {
  int key = 0;
  uint32_t slot = kNoSlot;
};
using Heap = AscendingHeap<int, Item, &Item::slot>;

Item& Pop(Heap& heap) {
  Item& item = heap.top();
  heap.Remove(item);
  return item;
}

TEST(AscendingHeap, WhatComesInOrderLeavesInOrder) {
  Heap heap;
  std::deque<Item> items(1000);
  for (size_t i = 0; i < items.size(); ++i) heap.Set(items[i], static_cast<int>(i));
  for (Item& item : items) EXPECT_EQ(&Pop(heap), &item);
  EXPECT_TRUE(heap.empty());
}

TEST(AscendingHeap, WhatComesBackTakesItsPlace) {
  Heap heap;
  Item a, b, c;
  heap.Set(a, 1);
  heap.Set(b, 2);
  heap.Set(c, 3);
  EXPECT_EQ(&Pop(heap), &a);
  EXPECT_EQ(&Pop(heap), &b);
  heap.Set(a, 1);
  heap.Set(b, 2);
  EXPECT_EQ(heap.top_key(), 1);
  EXPECT_EQ(&Pop(heap), &a);
  EXPECT_EQ(&Pop(heap), &b);
  EXPECT_EQ(&Pop(heap), &c);
}

TEST(AscendingHeap, WhatComesFirstIsSeenInOrderWithoutItsHoles) {
  Heap heap;
  std::deque<Item> items(10);
  for (size_t i = 0; i < items.size(); ++i) heap.Set(items[i], items[i].key = static_cast<int>(i));
  heap.Remove(items[2]);
  std::vector<int> seen;
  heap.VisitFirst(4, [&](const Item& item) { seen.push_back(item.key); });
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 3}));
  Item late;
  heap.Set(late, late.key = 4);  // out of order: in the heap
  seen.clear();
  heap.VisitFirst(4, [&](const Item& item) { seen.push_back(item.key); });
  EXPECT_EQ(seen, (std::vector<int>{4, 0, 1}));
  seen.clear();
  heap.VisitFirst(100, [&](const Item& item) { seen.push_back(item.key); });
  EXPECT_EQ(seen.size(), 10u);
}

TEST(AscendingHeap, WhatIsBelowAKeyIsSeenUntilNobodyWantsMore) {
  Heap heap;
  std::deque<Item> items(10);
  for (size_t i = 0; i < items.size(); ++i) heap.Set(items[i], items[i].key = static_cast<int>(i));
  heap.Remove(items[2]);
  std::deque<Item> late(30);  // out of order: in the heap
  for (size_t i = 0; i < late.size(); ++i) heap.Set(late[i], late[i].key = -static_cast<int>(i));
  std::multiset<int> seen;
  heap.VisitBelow(4, [&](const Item& item) {
    seen.insert(item.key);
    return true;
  });
  std::multiset<int> expected = {0, 1, 3};
  for (const Item& item : late) expected.insert(item.key);
  EXPECT_EQ(seen, expected);

  for (const size_t most : {1, 3, 5}) {
    size_t visited = 0;
    heap.VisitBelow(4, [&](const Item&) { return ++visited < most; });
    EXPECT_EQ(visited, most);
  }
  heap.VisitBelow(-29, [&](const Item& item) {
    ADD_FAILURE() << item.key;
    return true;
  });
}

TEST(AscendingHeap, RemovingWhatIsNotThereDoesNothing) {
  Heap heap;
  Item a, b;
  heap.Set(a, 1);
  heap.Remove(b);
  EXPECT_EQ(&heap.top(), &a);
  heap.Remove(a);
  heap.Remove(a);
  EXPECT_TRUE(heap.empty());
  EXPECT_FALSE(Heap::Contains(a));
}

// Behind a first one that stays for ever, others come and go.
TEST(AscendingHeap, HolesAreClosed) {
  Heap heap;
  Item first, last;
  heap.Set(first, 0);
  for (int key = 1; key < 10'000; ++key) {
    Item item;
    heap.Set(item, key);
    heap.Remove(item);
    if (key % 100 == 0) heap.CheckInvariants();
  }
  heap.Set(last, 10'000);
  heap.CheckInvariants();
  EXPECT_EQ(&Pop(heap), &first);
  EXPECT_EQ(&Pop(heap), &last);
  EXPECT_TRUE(heap.empty());
}

TEST(AscendingHeap, AgreesWithASortedSetOverRandomOperations) {
  std::mt19937 random(7);
  Heap heap;
  std::set<std::pair<int, Item*>> sorted;
  std::vector<std::unique_ptr<Item>> items;
  for (int i = 0; i < 300; ++i) items.push_back(std::make_unique<Item>());
  int next = 0;
  for (int step = 0; step < 50'000; ++step) {
    Item& item = *items[random() % items.size()];
    sorted.erase({item.key, &item});
    if (random() % 3 == 0) {
      heap.Remove(item);
    } else {
      const bool in_order = random() % 4 != 0;
      item.key = in_order ? ++next : static_cast<int>(random() % (next + 1));
      heap.Set(item, item.key);
      sorted.insert({item.key, &item});
    }
    ASSERT_EQ(heap.empty(), sorted.empty());
    if (!sorted.empty()) {
      ASSERT_EQ(heap.top_key(), sorted.begin()->first);
    }
    if (step % 100 == 0) heap.CheckInvariants();
  }
}

}  // namespace
}  // namespace treadle::engine
