// The moments between a new write-ahead log and the end of the old one, whose rows are on their way
// into a table. They are made to last: the table's sync does not return before the test says so.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/file.h"
#include "server/store/rocks_store.h"
#include "tests/store/manual_clock.h"
#include "tests/store/sync_hook.h"
#include "tests/store/temp_directory.h"
#include "tests/store/workload.h"

namespace treadle::store {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LogSwitch : public ::testing::Test {
 protected:
  LogSwitch() {
    SetSyncHook([this](const std::string& path, absl::FunctionRef<int()> sync) {
      return Sync(path, sync);
    });
  }
  ~LogSwitch() override {
    Release();
    store_.reset();
    SetSyncHook(nullptr);
  }

  static RocksStoreOptions Options(const std::string& directory) {
    RocksStoreOptions options;
    options.directory = directory;
    options.memtable_bytes = 50'000;
    options.ballast_bytes = 0;
    options.free_bytes_min = 0;
    return options;
  }

  // Appends, without a sync, until there are `logs` logs and a batch in each; no table yet.
  void Fill(size_t logs) {
    store_ = RocksStore::Open(Options(original_), clock_).value();
    while (Logs(original_).size() < logs) {
      ASSERT_TRUE(store_->Append(WorkloadBatch(++appended_)).ok());
    }
  }

  // Ascending.
  static std::vector<std::string> Logs(const std::string& directory) {
    std::vector<std::string> logs;
    const std::vector<std::string> names = ListDirectory(directory + "/rows").value();
    for (const std::string& name : names) {
      if (absl::EndsWith(name, ".log")) logs.push_back(directory + "/rows/" + name);
    }
    std::sort(logs.begin(), logs.end());
    return logs;
  }

  void Copy() {
    std::filesystem::remove_all(copy_);
    std::filesystem::copy(original_, copy_, std::filesystem::copy_options::recursive);
  }

  uint64_t SyncedBytes(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return synced_bytes_[path];
  }

  absl::StatusOr<uint64_t> CountInCopy() {
    Release();  // the copy's tables, too
    absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(Options(copy_), clock_);
    return store.ok() ? WorkloadCount(**store) : store.status();
  }

  // Tables that are written have their syncs returned.
  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  // Until one waits for its sync.
  void AwaitTable() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return table_waits_; });
  }

  const ManualClock clock_{1};
  const TempDirectory directory_{TempDirectory::Where::kMemory};
  const std::string original_ = directory_ / "original";
  const std::string copy_ = directory_ / "copy";
  std::unique_ptr<RocksStore> store_;
  uint64_t appended_ = 0;

 private:
  int Sync(const std::string& path, absl::FunctionRef<int()> sync) {
    std::unique_lock lock(mutex_);
    table_waits_ = table_waits_ || absl::EndsWith(path, ".sst");
    changed_.notify_all();
    changed_.wait(lock, [&] { return released_ || !absl::EndsWith(path, ".sst"); });
    std::error_code no_file;  // but a directory
    const uint64_t bytes = std::filesystem::file_size(path, no_file);
    const int result = sync();
    if (result == 0) synced_bytes_[path] = bytes;
    return result;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;                         // guarded by mutex_
  bool table_waits_ = false;                      // guarded by mutex_; for its sync, or has waited
  std::map<std::string, uint64_t> synced_bytes_;  // guarded by mutex_; by path
};

// A power cut may take what was not synced from an old log and yet leave all of a newer one, which
// the system happened to write before. The batches there would be without those before them.
TEST_F(LogSwitch, OldLogIsSyncedBeforeANewOneIsBegun) {
  ASSERT_NO_FATAL_FAILURE(Fill(2));
  Copy();
  const std::vector<std::string> logs = Logs(original_);
  std::filesystem::resize_file(Logs(copy_).front(), SyncedBytes(logs.front()));
  const absl::StatusOr<uint64_t> count = CountInCopy();
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, appended_);
}

// Any but the last: nobody can tell whether that one was there.
TEST_F(LogSwitch, LostLogIsAnErrorThatNamesIt) {
  ASSERT_NO_FATAL_FAILURE(Fill(3));
  for (const size_t lost : {size_t{0}, size_t{1}}) {
    Copy();
    const std::vector<std::string> logs = Logs(copy_);
    ASSERT_EQ(logs.size(), 3u);
    std::filesystem::remove(logs[lost]);
    const absl::Status status = RocksStore::Open(Options(copy_), clock_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("'", logs[lost], "' is lost")));
    // Without the record of what was synced, only what follows tells.
    std::filesystem::remove(copy_ + "/SYNCED");
    EXPECT_THAT(std::string(RocksStore::Open(Options(copy_), clock_).status().message()),
                HasSubstr(logs[lost + 1]));
  }
  Copy();
  const absl::StatusOr<uint64_t> count = CountInCopy();
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(*count, appended_) << "all is there where none is lost";
}

// What was begun after it is healthy, and no reason to give that up.
TEST_F(LogSwitch, EarlierLogThatWasCutIsTheOneToBlame) {
  ASSERT_NO_FATAL_FAILURE(Fill(3));
  for (const size_t at : {size_t{0}, size_t{1}}) {
    const std::string log = ReadFile(Logs(original_)[at]).value();
    for (const size_t size : {size_t{0}, size_t{1}, log.size() / 2, log.size() - 1}) {
      SCOPED_TRACE(absl::StrCat("log ", at, " cut to ", size));
      Copy();
      std::filesystem::resize_file(Logs(copy_)[at], size);
      const absl::Status status = RocksStore::Open(Options(copy_), clock_).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr(absl::StrCat("'", Logs(copy_)[at], "' has lost its end")));
      EXPECT_THAT(std::string(status.message()), Not(HasSubstr("truncate")));
    }
  }
}

TEST_F(LogSwitch, WhoReclaimsSpaceHoldsUpNoAppendUntilItsTableIsWritten) {
  RocksStoreOptions options = Options(original_);
  options.keep_free_bytes = int64_t{1} << 60;  // there is never enough
  store_ = RocksStore::Open(options, clock_).value();
  ASSERT_TRUE(store_->Append(WorkloadBatch(1)).ok());
  AwaitTable();
  std::future<absl::Status> append =
      std::async(std::launch::async, [&] { return store_->Append(WorkloadBatch(2)).status(); });
  EXPECT_EQ(append.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  Release();
  EXPECT_TRUE(append.get().ok());
}

// A sync that does not return, and an append that waits for it.
TEST(HungDisk, IsSeenByOtherThreads) {
  const TempDirectory directory(TempDirectory::Where::kMemory);
  ManualClock clock(100);
  RocksStoreOptions options;
  options.directory = directory / "data";
  options.ballast_bytes = 0;
  options.free_bytes_min = 0;
  std::unique_ptr<RocksStore> store = RocksStore::Open(options, clock).value();
  EXPECT_EQ(store->BusySinceMs(), std::nullopt);

  std::promise<void> hangs;
  std::promise<void> heals;
  SetSyncHook([&](const std::string& path, absl::FunctionRef<int()> sync) {
    if (absl::EndsWith(path, ".log")) {
      hangs.set_value();
      heals.get_future().wait();
    }
    return sync();
  });
  std::promise<void> synced;
  store->SetOnSynced([&](const absl::StatusOr<Sequence>&) { synced.set_value(); });
  ASSERT_TRUE(store->Append(WorkloadBatch(1)).ok());
  EXPECT_EQ(store->BusySinceMs(), std::nullopt);
  store->RequestSync();
  hangs.get_future().wait();
  clock.Set(5'000);
  EXPECT_EQ(store->BusySinceMs(), 100);
  heals.set_value();
  synced.get_future().wait();
  EXPECT_EQ(store->BusySinceMs(), std::nullopt);
  store.reset();
  SetSyncHook(nullptr);
}

}  // namespace
}  // namespace treadle::store
