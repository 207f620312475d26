#include "server/engine/indexed_heap.h"

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

struct Item {
  int name = 0;
  uint32_t slot = kNoSlot;
};
using Heap = IndexedHeap<int, Item, &Item::slot>;

TEST(IndexedHeap, GivesTheSmallestKeyFirst) {
  Heap heap;
  Item a{1}, b{2}, c{3};
  heap.Set(a, 30);
  heap.Set(b, 10);
  heap.Set(c, 20);
  EXPECT_EQ(heap.top_key(), 10);
  EXPECT_EQ(&heap.Pop(), &b);
  EXPECT_EQ(&heap.Pop(), &c);
  EXPECT_EQ(&heap.Pop(), &a);
  EXPECT_TRUE(heap.empty());
}

TEST(IndexedHeap, MovesAnElementWhoseKeyChanges) {
  Heap heap;
  Item a{1}, b{2};
  heap.Set(a, 1);
  heap.Set(b, 2);
  heap.Set(b, 0);
  EXPECT_EQ(&heap.top(), &b);
  heap.Set(b, 5);
  EXPECT_EQ(&heap.top(), &a);
  EXPECT_EQ(heap.size(), 2);
  EXPECT_EQ(heap.KeyOf(b), 5);
}

TEST(IndexedHeap, RemovingWhatIsNotThereDoesNothing) {
  Heap heap;
  Item a{1}, b{2};
  heap.Set(a, 1);
  heap.Remove(b);
  EXPECT_EQ(heap.size(), 1);
  heap.Remove(a);
  heap.Remove(a);
  EXPECT_TRUE(heap.empty());
  EXPECT_FALSE(Heap::Contains(a));
}

TEST(IndexedHeap, AgreesWithASortedSetOverRandomOperations) {
  std::mt19937 random(7);
  Heap heap;
  std::set<std::pair<int, Item*>> sorted;
  std::vector<std::unique_ptr<Item>> items;
  for (int i = 0; i < 300; ++i) items.push_back(std::make_unique<Item>());
  for (int step = 0; step < 20'000; ++step) {
    Item& item = *items[random() % items.size()];
    if (Heap::Contains(item)) sorted.erase({heap.KeyOf(item), &item});
    if (random() % 3 == 0) {
      heap.Remove(item);
    } else {
      const int key = static_cast<int>(random() % 1000);
      heap.Set(item, key);
      sorted.insert({key, &item});
    }
    ASSERT_EQ(heap.size(), sorted.size());
    if (!sorted.empty()) {
      ASSERT_EQ(heap.top_key(), sorted.begin()->first);
    }
    if (step % 100 == 0) heap.CheckInvariants();
  }
}

}  // namespace
}  // namespace treadle::engine
