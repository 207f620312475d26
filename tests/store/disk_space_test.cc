#include "server/store/disk_space.h"

#include <atomic>
#include <cstdint>
#include <fstream>
#include <future>
#include <string>

#include "gtest/gtest.h"

#include "tests/store/temp_directory.h"

namespace treadle::store {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr DiskShares kWanted{.memtable_bytes = 64 * kMiB,
                             .ballast_bytes = 64 * kMiB,
                             .free_bytes_min = 64 * kMiB,
                             .outcome_bytes_min = 256 * kMiB};

TEST(DiskShares, LargeDiskGivesWhatIsWanted) {
  const DiskShares shares = DiskShares::Of(kWanted, 100'000 * kMiB);
  EXPECT_EQ(shares.memtable_bytes, kWanted.memtable_bytes);
  EXPECT_EQ(shares.ballast_bytes, kWanted.ballast_bytes);
  EXPECT_EQ(shares.free_bytes_min, kWanted.free_bytes_min);
  EXPECT_EQ(shares.outcome_bytes_min, kWanted.outcome_bytes_min);
}

TEST(DiskShares, SmallDiskKeepsATenthOfItselfAtMost) {
  for (const int64_t disk : {300 * kMiB, 700 * kMiB, 2'000 * kMiB}) {
    const DiskShares shares = DiskShares::Of(kWanted, disk);
    EXPECT_LT(3 * shares.memtable_bytes + shares.ballast_bytes + shares.free_bytes_min +
                  shares.outcome_bytes_min,
              disk * 11 / 100 + 12 * kMiB);
  }
}

class DiskSpaceTest : public ::testing::Test {
 protected:
  // A compaction of one table of `bytes`.
  rocksdb::CompactionJobInfo Job(int id, size_t bytes) const {
    const std::string path = directory_ / (std::to_string(id) + ".sst");
    std::ofstream(path) << std::string(bytes, 'x');
    rocksdb::CompactionJobInfo job;
    job.job_id = id;
    job.input_files = {path};
    return job;
  }

  const TempDirectory directory_;
  std::atomic<int64_t> free_ = 1'000;
  DiskSpace space_{[this] { return free_.load(); }, /*headroom_bytes=*/100, /*merge_bytes=*/500};
};

TEST_F(DiskSpaceTest, WhatIsReservedIsNotGivenTwice) {
  EXPECT_TRUE(space_.TryReserve(500));
  EXPECT_FALSE(space_.TryReserve(401));
  EXPECT_TRUE(space_.TryReserve(400));
  space_.Release(500);
  EXPECT_TRUE(space_.TryReserve(500));
}

TEST_F(DiskSpaceTest, CompactionWaitsForRoom) {
  space_.OnCompactionBegin(nullptr, Job(1, 800));
  auto second =
      std::async(std::launch::async, [this] { space_.OnCompactionBegin(nullptr, Job(2, 800)); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  free_ = 2'000;
  EXPECT_EQ(second.wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

// Or what others give back is kept on the disk by the one that waits, which so waits for ever.
TEST_F(DiskSpaceTest, WhoWaitsGoesFirstOnceThereIsRoom) {
  free_ = 500;
  auto waiting =
      std::async(std::launch::async, [this] { space_.OnCompactionBegin(nullptr, Job(1, 800)); });
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  EXPECT_TRUE(space_.TryReserve(300));  // there is no room for the other anyway
  space_.Release(300);
  free_ = 1'000;
  EXPECT_FALSE(space_.TryReserve(300));
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

TEST_F(DiskSpaceTest, NobodyWaitsWhenTheStoreIsClosed) {
  auto begin =
      std::async(std::launch::async, [this] { space_.OnCompactionBegin(nullptr, Job(1, 5'000)); });
  space_.Stop();
  EXPECT_EQ(begin.wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

}  // namespace
}  // namespace treadle::store
