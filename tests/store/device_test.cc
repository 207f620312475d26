// Devices that fill up and machines that lose power. Wants root for file systems of its own.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <signal.h>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/rocks_store.h"
#include "tests/store/manual_clock.h"
#include "tests/store/mount.h"
#include "tests/store/rows.h"
#include "tests/store/workload.h"
#include "tests/store/writer_process.h"

namespace treadle::store {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;
const ManualClock kClock(1);

absl::StatusOr<uint64_t> CountAfterReopen(const std::string& directory) {
  const ManualClock clock(1);
  RocksStoreOptions options;
  options.directory = directory;
  options.memtable_bytes = kMiB;
  options.ballast_bytes = 0;
  options.free_bytes_min = 0;
  absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(options, clock);
  return store.ok() ? WorkloadCount(**store) : store.status();
}

void ExpectNothingLost(const std::string& directory, int64_t synced) {
  const absl::StatusOr<uint64_t> count = CountAfterReopen(directory);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_GE(static_cast<int64_t>(*count), synced);
}

// Takes all the space that is left.
void FillUp(const std::string& directory, const std::string& name = "filler") {
  std::ofstream file(directory + "/" + name, std::ios::binary);
  const std::string block(64 << 10, 'x');
  while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) continue;
}

// The workload's rows are few; others fill the device, slowly.
TEST(FullDisk, StoreGivesItsBallastAndThenStopsInOrder) {
  const MemoryMount mount(64 * kMiB);
  if (!mount.refused().empty()) GTEST_SKIP() << mount.refused();
  const std::string directory = mount.path() + "/data";
  WriterProcess writer(directory, {"--batches=1000000", absl::StrCat("--memtable-bytes=", kMiB),
                                   absl::StrCat("--ballast-bytes=", 4 * kMiB),
                                   absl::StrCat("--free-bytes-min=", 8 * kMiB)});
  writer.ReadUntil(10);
  ASSERT_TRUE(std::filesystem::exists(directory + "/BALLAST"));
  for (int64_t batches = 20; batches <= 600 && writer.synced() >= batches - 10; batches += 10) {
    std::ofstream(absl::StrCat(mount.path(), "/other", batches)) << std::string(kMiB, 'x');
    writer.ReadUntil(batches);
  }
  writer.Wait();
  EXPECT_EQ(writer.exit_code(), 3);
  EXPECT_THAT(writer.errors(), HasSubstr("RESOURCE_EXHAUSTED: data directory"));
  EXPECT_THAT(writer.errors(), HasSubstr("free some space, then start again"));
  EXPECT_FALSE(std::filesystem::exists(directory + "/BALLAST"));
  ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory, writer.synced()));
}

TEST(FullDisk, NewStoreIsRefused) {
  const MemoryMount mount(8 * kMiB);
  if (!mount.refused().empty()) GTEST_SKIP() << mount.refused();
  FillUp(mount.path());
  RocksStoreOptions options;
  options.directory = mount.path() + "/data";
  const absl::Status status = RocksStore::Open(options, kClock).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

// Rows of 100 kB come until the store says that it has no room for more, then all of them end.
class SmallDisk : public ::testing::Test {
 protected:
  static constexpr size_t kRowBytes = 100'000;

  RocksStoreOptions Options(const MemoryMount& mount) const {
    RocksStoreOptions options;  // as the server has them
    options.directory = mount.path() + "/data";
    return options;
  }

  static std::string Key(uint64_t row) {
    return absl::StrCat("t", absl::Dec(row, absl::kZeroPad8));
  }

  // Incompressible.
  std::string Payload() {
    std::string payload;
    while (payload.size() < kRowBytes) {
      const uint64_t piece = random_();
      payload.append(reinterpret_cast<const char*>(&piece), sizeof(piece));
    }
    return payload;
  }

  // Until the store has room for more than `bytes`.
  static void AwaitRoom(RocksStore& store, int64_t bytes) {
    const absl::Time limit = absl::Now() + absl::Seconds(120);
    while (store.FreeBytes() <= bytes && absl::Now() < limit) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    ASSERT_GT(store.FreeBytes(), bytes);
  }

  // Appends rows, as there is room, until it holds `bytes`, and then until there is none.
  void Fill(RocksStore& store, int64_t bytes) {
    const absl::Time limit = absl::Now() + absl::Seconds(120);
    while (HeldBytes() < bytes || store.FreeBytes() > 0) {
      if (store.FreeBytes() <= 0) {
        ASSERT_LT(absl::Now(), limit) << HeldBytes() << " bytes";
        absl::SleepFor(absl::Milliseconds(20));
        continue;
      }
      ASSERT_TRUE(store.Append(BatchOf({{Key(next_++), Staying(Payload())}})).ok());
    }
  }

  // As a task's row gives place to a small one of its outcome.
  void EndAll(RocksStore& store) {
    for (; ended_ < next_; ++ended_) {
      ASSERT_TRUE(store.Append(BatchOf({{Key(ended_), Staying("ended")}})).ok());
    }
  }

  int64_t HeldBytes() const { return static_cast<int64_t>((next_ - ended_) * kRowBytes); }

 private:
  std::mt19937_64 random_{8};
  uint64_t next_ = 0;
  uint64_t ended_ = 0;
};

TEST_F(SmallDisk, IsUsedWellAndRecoversByItselfWhenAllHasEnded) {
  constexpr int64_t kDisk = 400 * kMiB;
  const MemoryMount mount(kDisk);
  if (!mount.refused().empty()) GTEST_SKIP() << mount.refused();
  std::unique_ptr<RocksStore> store = RocksStore::Open(Options(mount), kClock).value();
  for (int cycle = 0; cycle < 2; ++cycle) {
    SCOPED_TRACE(absl::StrCat("cycle ", cycle));
    ASSERT_NO_FATAL_FAILURE(Fill(*store, kDisk * 6 / 10));
    ASSERT_NO_FATAL_FAILURE(EndAll(*store));
    ASSERT_NO_FATAL_FAILURE(AwaitRoom(*store, kDisk / 8));
  }
}

TEST_F(SmallDisk, FullStoreStartsAgainAndRecovers) {
  constexpr int64_t kDisk = 400 * kMiB;
  const MemoryMount mount(kDisk);
  if (!mount.refused().empty()) GTEST_SKIP() << mount.refused();
  std::unique_ptr<RocksStore> store = RocksStore::Open(Options(mount), kClock).value();
  ASSERT_NO_FATAL_FAILURE(Fill(*store, kDisk * 6 / 10));
  store.reset();
  // What a stopped process leaves of a compaction, as much as there is room.
  std::ofstream(mount.path() + "/data/rows/999998.sst") << std::string(20 * kMiB, 'x');
  FillUp(mount.path() + "/data/rows", "999999.sst");
  store = RocksStore::Open(Options(mount), kClock).value();
  ASSERT_NO_FATAL_FAILURE(EndAll(*store));
  ASSERT_NO_FATAL_FAILURE(AwaitRoom(*store, kDisk / 8));
}

// Other programs took the space: it says how much it needs, and starts as soon as that is there.
TEST_F(SmallDisk, StoreThatCannotOpenSaysWhatItNeeds) {
  const MemoryMount mount(100 * kMiB);
  if (!mount.refused().empty()) GTEST_SKIP() << mount.refused();
  RocksStoreOptions options = Options(mount);
  options.memtable_bytes = 64 * kMiB;
  std::unique_ptr<RocksStore> store = RocksStore::Open(options, kClock).value();
  for (int row = 0; row < 20; ++row) {
    ASSERT_TRUE(store->Append(BatchOf({{Key(row), Staying(Payload())}})).ok());
  }
  store.reset();
  FillUp(mount.path());
  const absl::Status status = RocksStore::Open(options, kClock).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("are needed to move"));
  std::filesystem::remove(mount.path() + "/filler");
  store = RocksStore::Open(options, kClock).value();
  EXPECT_EQ(ScanAll(*store).value().size(), 20u);
}

// Too fast for any watch: RocksDB meets the full disk.
TEST(FullDisk, WhatWasAcknowledgedSurvivesADiskThatIsSuddenlyFull) {
  for (const int64_t acknowledged : {1, 30, 100}) {
    SCOPED_TRACE(acknowledged);
    MemoryMount mount(48 * kMiB);
    if (!mount.refused().empty()) GTEST_SKIP() << mount.refused();
    const std::string directory = mount.path() + "/data";
    WriterProcess writer(directory,
                         {"--batches=1000000", absl::StrCat("--memtable-bytes=", 300'000),
                          "--ballast-bytes=0", "--free-bytes-min=0"});
    writer.ReadUntil(acknowledged);
    FillUp(mount.path());
    writer.Wait();
    EXPECT_EQ(writer.exit_code(), 3) << writer.errors();
    EXPECT_THAT(writer.errors(), HasSubstr("is on a full disk"));
    mount.Grow(96 * kMiB);
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory, writer.synced()));
  }
}

// What was not synced is gone; what was synced is there, and nothing later without all before it.
TEST(PowerCut, SyncedBatchesSurviveInOrder) {
  DiskMount mount(128 * kMiB);
  if (!mount.refused().empty()) GTEST_SKIP() << mount.refused();
  const std::string directory = mount.path() + "/data";
  std::mt19937_64 random(6);
  int64_t synced = 0;
  for (int cut = 0; cut < 12; ++cut) {
    SCOPED_TRACE(absl::StrCat("cut ", cut));
    WriterProcess writer(directory, {"--batches=1000000", "--memtable-bytes=100000",
                                     "--ballast-bytes=0", "--free-bytes-min=0"});
    writer.ReadUntil(synced + 1 + static_cast<int64_t>(random() % 40));
    // What it says from now on would never have left a machine without power.
    synced = std::max(synced, writer.synced());
    mount.CutPower();
    writer.Kill();
    writer.Wait();
    mount.Restore();
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory, synced));
  }
}

}  // namespace
}  // namespace treadle::store
