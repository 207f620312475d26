#include "server/store/sync_thread.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace treadle::store {
namespace {

class SyncThreadTest : public ::testing::Test {
 protected:
  // What the next syncs do, and the threads that did them.
  absl::StatusOr<Sequence> Sync() {
    if (during_) during_();
    const std::lock_guard lock(mutex_);
    syncs_.push_back(std::this_thread::get_id());
    if (fails_) return absl::DataLossError("fdatasync: EIO");
    return static_cast<Sequence>(syncs_.size());
  }
  void Say(absl::StatusOr<Sequence>) {
    {
      const std::lock_guard lock(mutex_);
      ++told_;
    }
    changed_.notify_all();
  }
  void AwaitTold(size_t times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return told_ >= times; });
  }
  std::vector<std::thread::id> syncs() {
    const std::lock_guard lock(mutex_);
    return syncs_;
  }

  std::function<void()> during_;
  bool fails_ = false;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread::id> syncs_;
  size_t told_ = 0;

 protected:
  std::optional<SyncThread> thread_{
      std::in_place, [this] { return Sync(); },
      [this](absl::StatusOr<Sequence> upto) { Say(std::move(upto)); }};
};

TEST_F(SyncThreadTest, WhoHasNothingElseToDoSyncsOnItsOwnThread) {
  thread_->RequestHere();
  ASSERT_EQ(syncs().size(), 1u);
  EXPECT_EQ(syncs()[0], std::this_thread::get_id());
  thread_->Request();
  AwaitTold(2);
  EXPECT_NE(syncs()[1], std::this_thread::get_id());
}

TEST_F(SyncThreadTest, WhatIsAskedForDuringASyncIsSyncedAfterIt) {
  bool first = true;
  during_ = [&] {
    if (!std::exchange(first, false)) return;
    thread_->Request();
    std::thread([&] { thread_->RequestHere(); }).join();  // it does not wait for this one
  };
  thread_->RequestHere();
  AwaitTold(2);
  EXPECT_EQ(syncs().size(), 2u);
  EXPECT_NE(syncs()[1], std::this_thread::get_id());
}

TEST_F(SyncThreadTest, ASlowDiskIsLeftToTheThread) {
  during_ = [] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); };
  thread_->RequestHere();
  thread_->RequestHere();
  AwaitTold(2);
  EXPECT_NE(syncs()[1], std::this_thread::get_id());
}

TEST_F(SyncThreadTest, AfterAnErrorNobodySyncsAgain) {
  fails_ = true;
  thread_->RequestHere();
  thread_->RequestHere();
  thread_->Request();
  thread_.reset();
  EXPECT_EQ(syncs().size(), 1u);
}

}  // namespace
}  // namespace treadle::store
