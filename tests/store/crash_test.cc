// Processes that die: at each of their syncs, at any moment, and with a device that fails a sync.
// Promise 1 (an acknowledged submit is never lost) at the store.

#include <algorithm>
#include <cerrno>
#include <cstdint>
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
#include "tests/store/temp_directory.h"
#include "tests/store/workload.h"
#include "tests/store/writer_process.h"

namespace treadle::store {
namespace {

using ::testing::HasSubstr;

// Small, so that logs are switched and files written and compacted during a run.
constexpr int64_t kMemtableBytes = 100'000;

std::vector<std::string> Arguments(std::vector<std::string> more) {
  more.push_back(absl::StrCat("--memtable-bytes=", kMemtableBytes));
  more.push_back("--ballast-bytes=0");
  more.push_back("--free-bytes-min=0");
  return more;
}

absl::StatusOr<uint64_t> CountAfterReopen(const std::string& directory) {
  const ManualClock clock(1);
  RocksStoreOptions options;
  options.directory = directory;
  options.memtable_bytes = kMemtableBytes;
  options.ballast_bytes = 0;
  options.free_bytes_min = 0;
  absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(options, clock);
  return store.ok() ? WorkloadCount(**store) : store.status();
}

// Whole batches, in order, at least those that were acknowledged.
void ExpectNothingLost(const std::string& directory, const WriterProcess& writer) {
  const absl::StatusOr<uint64_t> count = CountAfterReopen(directory);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_GE(static_cast<int64_t>(*count), writer.synced());
}

// How many batches share a sync is a matter of the machine's speed; all these runs are longer than
// their syncs.
TEST(Crash, KilledAtEachSyncOfARun) {
  for (int64_t at_sync = 1; at_sync <= 80; ++at_sync) {
    SCOPED_TRACE(absl::StrCat("at sync ", at_sync));
    const TempDirectory directory(TempDirectory::Where::kMemory);
    WriterProcess writer(directory.path(),
                         Arguments({"--batches=100000", absl::StrCat("--kill-at-sync=", at_sync)}));
    writer.Wait();
    ASSERT_EQ(writer.signal(), SIGKILL) << writer.errors();
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory.path(), writer));
  }
}

// Each life begins with the recovery from the death before, and may die in it.
TEST(Crash, KilledAgainAndAgainInTheSameDirectory) {
  std::mt19937_64 random(1);
  const TempDirectory directory(TempDirectory::Where::kMemory);
  int64_t synced = -1;
  for (int life = 0; life < 60; ++life) {
    SCOPED_TRACE(absl::StrCat("life ", life));
    const uint64_t at_sync = 1 + random() % 25;
    WriterProcess writer(directory.path(),
                         Arguments({"--batches=40", absl::StrCat("--kill-at-sync=", at_sync)}));
    writer.Wait();
    ASSERT_TRUE(writer.signal() == SIGKILL || writer.exit_code() == 0) << writer.errors();
    ASSERT_TRUE(writer.synced() == -1 || writer.synced() >= synced) << "acknowledged, then lost";
    synced = std::max(synced, writer.synced());
    if (life % 3 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory.path(), writer));
  }
  EXPECT_GT(synced, 100);
}

TEST(Crash, KilledAtAnyMoment) {
  for (int64_t acknowledged = 0; acknowledged < 100; acknowledged += 7) {
    SCOPED_TRACE(absl::StrCat("after ", acknowledged));
    const TempDirectory directory(TempDirectory::Where::kMemory);
    WriterProcess writer(directory.path(), Arguments({"--batches=100000"}));
    writer.ReadUntil(acknowledged);
    writer.Kill();
    writer.Wait();
    ASSERT_EQ(writer.signal(), SIGKILL) << writer.errors();
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory.path(), writer));
  }
}

// Durability is unknown from then on: one error, no further acknowledgement. On a busy machine one
// sync serves many batches: so there are far more batches than syncs that are asked for.
TEST(Crash, FailedSyncOfTheLogEndsTheStore) {
  for (const int64_t at_sync : {1, 2, 5, 11, 24}) {
    SCOPED_TRACE(absl::StrCat("at sync ", at_sync));
    const TempDirectory directory(TempDirectory::Where::kMemory);
    WriterProcess writer(directory.path(), Arguments({"--batches=100000", "--fail-file=.log",
                                                      absl::StrCat("--fail-at-sync=", at_sync)}));
    writer.Wait();
    EXPECT_EQ(writer.exit_code(), 3) << writer.errors();
    EXPECT_THAT(writer.errors(), HasSubstr("DATA_LOSS"));
    EXPECT_THAT(writer.errors(), HasSubstr("Input/output error"));
    EXPECT_LT(writer.synced(), 100'000);
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory.path(), writer));
  }
}

// A write or a sync that fails, of whichever file, by whichever thread, while others go on writing
// and syncing as fast as they can: the process ends with its word, and never by RocksDB's
// assertions.
class FailingFile : public ::testing::Test {
 protected:
  void ExpectWord(const std::vector<std::string>& failure, const std::string& word) {
    const TempDirectory directory(TempDirectory::Where::kMemory);
    std::vector<std::string> arguments = Arguments({"--batches=20000", "--ahead=200"});
    arguments.insert(arguments.end(), failure.begin(), failure.end());
    WriterProcess writer(directory.path(), arguments);
    writer.Wait();
    EXPECT_EQ(writer.exit_code(), 3) << "signal " << writer.signal() << "\n" << writer.errors();
    EXPECT_THAT(writer.errors(), HasSubstr(word));
    ASSERT_NO_FATAL_FAILURE(ExpectNothingLost(directory.path(), writer));
  }
};

TEST_F(FailingFile, SyncThatFails) {
  for (const char* file : {"", ".log", ".sst"}) {
    for (const int64_t at : {25, 26, 31, 44, 60}) {  // the start is over by then
      SCOPED_TRACE(absl::StrCat("at sync ", at, " of '", file, "'"));
      ASSERT_NO_FATAL_FAILURE(
          ExpectWord({absl::StrCat("--fail-at-sync=", at), absl::StrCat("--fail-file=", file)},
                     "is on a device that failed"));
    }
  }
}

TEST_F(FailingFile, WriteThatFails) {
  const struct {
    int error;
    const char* word;
  } kCases[] = {{EIO, "DATA_LOSS: data directory"},
                {EROFS, "is on a file system that is read-only"},
                {ENOSPC, "is on a full disk"}};
  for (const auto& [error, word] : kCases) {
    for (const char* file : {"", ".log", ".sst"}) {
      for (const int64_t at : {20, 41, 150, 333}) {
        SCOPED_TRACE(absl::StrCat("errno ", error, " at write ", at, " of '", file, "'"));
        ASSERT_NO_FATAL_FAILURE(
            ExpectWord({absl::StrCat("--fail-at-write=", at), absl::StrCat("--fail-errno=", error),
                        absl::StrCat("--fail-file=", file)},
                       word));
      }
    }
  }
}

}  // namespace
}  // namespace treadle::store
