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
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/rocks_store.h"
#include "tests/store/manual_clock.h"
#include "tests/store/mount.h"
#include "tests/store/workload.h"
#include "tests/store/writer_process.h"

namespace treadle::store {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

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
void FillUp(const std::string& directory) {
  std::ofstream file(directory + "/filler", std::ios::binary);
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

// Too fast for any watch: RocksDB meets the full disk, and its process may be aborted.
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
    EXPECT_NE(writer.exit_code(), 0);
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
