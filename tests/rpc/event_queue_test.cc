#include "proto/wire/event_queue.h"

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/alarm.h>
#include <gtest/gtest.h>

namespace treadle::wire {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Waits that may never end without what ends them.
steady_clock::time_point Late() { return steady_clock::now() + hours(1); }

// Some operation's end: here an alarm's.
class Counter {
 public:
  explicit Counter(EventQueue& queue) : queue_(queue) {}
  void Begin(steady_clock::duration after = {}) {
    alarm_.Set(&queue_.queue(), std::chrono::system_clock::now() + after, &event_);
  }
  int count() const { return count_; }

 private:
  void Happened(bool) { ++count_; }

  EventQueue& queue_;
  int count_ = 0;
  EventOf<Counter, &Counter::Happened> event_{*this};
  grpc::Alarm alarm_;
};

TEST(EventQueueTest, AWaitUntilThePastLooksAndReturns) {
  EventQueue queue;
  queue.Wait(steady_clock::time_point::min());
  queue.Wait(steady_clock::now() - hours(1));
  queue.PrepareToWait();
  queue.Wait(steady_clock::time_point::min());
  Counter counter(queue);
  counter.Begin();
  while (counter.count() == 0) queue.Wait(steady_clock::time_point::min());
  EXPECT_EQ(counter.count(), 1);
}

TEST(EventQueueTest, AWaitEndsAtItsTime) {
  EventQueue queue;
  const auto begin = steady_clock::now();
  queue.PrepareToWait();
  queue.Wait(begin + milliseconds(20));
  EXPECT_GE(steady_clock::now() - begin, milliseconds(20));
}

TEST(EventQueueTest, AnEventEndsAWait) {
  EventQueue queue;
  Counter counter(queue);
  counter.Begin(milliseconds(5));
  while (counter.count() == 0) {
    queue.PrepareToWait();
    queue.Wait(steady_clock::time_point::max());
  }
  EXPECT_EQ(counter.count(), 1);
}

TEST(EventQueueTest, WhoPreparedIsWokenThoughHeDoesNotWaitYet) {
  EventQueue queue;
  for (int i = 0; i < 100; ++i) {
    queue.PrepareToWait();
    queue.Wake();
    queue.Wake();
    queue.Wait(Late());
  }
}

TEST(EventQueueTest, OneWhoIsAwakeIsNotWokenLater) {
  EventQueue queue;
  queue.Wake();
  const auto begin = steady_clock::now();
  queue.PrepareToWait();
  queue.Wait(begin + milliseconds(20));
  EXPECT_GE(steady_clock::now() - begin, milliseconds(20));
}

TEST(EventQueueTest, NoWordOfManyThreadsIsOverlooked) {
  constexpr int kThreads = 4;
  constexpr int kWords = 5'000;
  EventQueue queue;
  std::mutex mutex;
  int left = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int word = 0; word < kWords; ++word) {
        std::lock_guard lock(mutex);
        ++left;
        queue.Wake();
      }
    });
  }
  for (int taken = 0; taken < kThreads * kWords;) {
    auto until = steady_clock::time_point::min();
    {
      std::lock_guard lock(mutex);
      if (left == 0) {
        queue.PrepareToWait();
        until = Late();
      }
      taken += std::exchange(left, 0);
    }
    if (taken < kThreads * kWords) queue.Wait(until);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace treadle::wire
