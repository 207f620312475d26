// Files that were cut or changed behind the store's back: all rows are there, or what is missing
// was never acknowledged, or a clear error names the file.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/file.h"
#include "server/store/rocks_store.h"
#include "tests/store/manual_clock.h"
#include "tests/store/rows.h"
#include "tests/store/temp_directory.h"
#include "tests/store/workload.h"

namespace treadle::store {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint64_t kBatches = 50;

class Damage : public ::testing::Test {
 protected:
  RocksStoreOptions Options(const std::string& directory) const {
    RocksStoreOptions options;
    options.directory = directory;
    options.memtable_bytes = 32 << 20;  // all stays in one log, unless a test says otherwise
    options.ballast_bytes = 0;
    options.free_bytes_min = 0;
    return options;
  }

  // A store of kBatches, closed; `original_` names it. No batch is synced before it is closed,
  // unless `sync_each`.
  void Fill(bool compact, bool sync_each = false) {
    std::unique_ptr<RocksStore> store = RocksStore::Open(Options(original_), clock_).value();
    SyncWait sync(*store);
    for (uint64_t number = 1; number <= kBatches; ++number) {
      ASSERT_TRUE(store->Append(WorkloadBatch(number)).ok());
      if (sync_each) {
        ASSERT_TRUE(sync.Sync().ok());
      }
      if (!compact) log_ends_.push_back(std::filesystem::file_size(OnlyFile(".log")));
    }
    if (compact) {
      ASSERT_TRUE(store->Compact().ok());
    }
  }

  std::string OnlyFile(const std::string& suffix) const {
    std::string found;
    const std::vector<std::string> names = ListDirectory(original_ + "/rows").value();
    for (const std::string& name : names) {
      if (absl::EndsWith(name, suffix) || absl::StartsWith(name, suffix)) found = name;
    }
    return original_ + "/rows/" + found;
  }

  // Of six digits, as all are here.
  std::string NewestLog() const {
    std::string newest;
    const std::vector<std::string> names = ListDirectory(original_ + "/rows").value();
    for (const std::string& name : names) {
      if (absl::EndsWith(name, ".log")) newest = std::max(newest, name);
    }
    return original_ + "/rows/" + newest;
  }

  static void Write(const std::string& path, const std::string& contents) {
    std::ofstream(path, std::ios::binary) << contents;
  }

  // How many batches a copy of the store shows whose file `name` has other contents.
  absl::StatusOr<uint64_t> CountWith(const std::string& path, const std::string& contents) {
    const std::string& copy = copy_;
    std::filesystem::remove_all(copy);
    std::filesystem::copy(original_, copy, std::filesystem::copy_options::recursive);
    Write(copy + path.substr(original_.size()), contents);
    return CountInCopy();
  }

  absl::StatusOr<uint64_t> CountInCopy() {
    notices_.clear();
    RocksStoreOptions options = Options(copy_);
    options.notice = [this](const std::string& notice) { notices_.push_back(notice); };
    absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(options, clock_);
    return store.ok() ? WorkloadCount(**store) : store.status();
  }

  // Does what the refusal of the copy says to give up what is lost, and opens the copy again.
  absl::StatusOr<uint64_t> CountAfterAdvice(const absl::Status& refusal) {
    const std::string message(refusal.message());
    const std::string command = message.substr(message.rfind(": ") + 2);
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return CountInCopy();
  }

  const ManualClock clock_{1};
  const TempDirectory directory_{TempDirectory::Where::kMemory};
  const std::string original_ = directory_ / "original";
  const std::string copy_ = directory_ / "copy";
  std::vector<std::string> notices_;  // of the copy's last start
  std::vector<uint64_t> log_ends_;    // the log's size after each batch
};

std::string Flip(std::string contents, size_t at, uint64_t bit) {
  contents[at] = static_cast<char>(contents[at] ^ (1 << bit % 8));
  return contents;
}

TEST_F(Damage, LogCutAnywhereKeepsEveryBatchBeforeTheCut) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  ASSERT_EQ(log.size(), log_ends_.back());
  std::vector<size_t> cuts = {0, 1, log.size()};
  for (const uint64_t end : log_ends_) cuts.insert(cuts.end(), {end - 1, end, end + 1});
  std::mt19937_64 random(3);
  for (int i = 0; i < 100; ++i) cuts.push_back(random() % log.size());
  for (const size_t cut : cuts) {
    if (cut > log.size()) continue;
    const auto whole = static_cast<uint64_t>(
        std::upper_bound(log_ends_.begin(), log_ends_.end(), cut) - log_ends_.begin());
    const absl::StatusOr<uint64_t> count = CountWith(path, log.substr(0, cut));
    ASSERT_TRUE(count.ok()) << "cut at " << cut << ": " << count.status();
    ASSERT_EQ(*count, whole) << "cut at " << cut;
  }
}

// What its end was is on record: a log that ends before that is not one whose last write was torn.
TEST_F(Damage, SyncedLogThatIsCutIsAnErrorThatSaysHowToGiveUpTheRest) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false, /*sync_each=*/true));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  std::vector<size_t> cuts = {0, 1, log.size() - 1, log_ends_[20], log_ends_[kBatches - 2]};
  std::mt19937_64 random(7);
  for (int i = 0; i < 40; ++i) cuts.push_back(random() % log.size());
  for (const size_t cut : cuts) {
    SCOPED_TRACE(absl::StrCat("cut at ", cut, " of ", log.size()));
    const auto whole = static_cast<uint64_t>(
        std::upper_bound(log_ends_.begin(), log_ends_.end(), cut) - log_ends_.begin());
    const absl::Status status = CountWith(path, log.substr(0, cut)).status();
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    ASSERT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("' has lost its end: it can be read up to byte ",
                                       whole == 0 ? 0 : log_ends_[whole - 1],
                                       ", and was synced up to byte ", log.size())));
    ASSERT_THAT(std::string(status.message()), HasSubstr(path.substr(path.rfind('/'))));
    ASSERT_EQ(CountAfterAdvice(status).value(), whole);
  }
  EXPECT_EQ(CountWith(path, log).value(), kBatches);
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(Damage, TornEndOfALogIsTold) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  const size_t cut = log_ends_[29] + 20;
  EXPECT_EQ(CountWith(path, log.substr(0, cut)).value(), 30u);
  ASSERT_EQ(notices_.size(), 1u);
  EXPECT_THAT(notices_[0], HasSubstr(path.substr(path.rfind('/'))));
  EXPECT_THAT(notices_[0], HasSubstr(absl::StrCat("the last 20 bytes, from byte ", log_ends_[29])));
}

TEST_F(Damage, LostOrDamagedRecordOfSyncsIsTold) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false, /*sync_each=*/true));
  const std::string path = original_ + "/SYNCED";
  const std::string record = ReadFile(path).value();
  const absl::Status status = CountWith(path, "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CountAfterAdvice(status).value(), kBatches);
  ASSERT_EQ(notices_.size(), 1u);
  EXPECT_THAT(notices_[0], HasSubstr("SYNCED' is missing"));
  // One of its two slots is enough.
  for (const size_t at : {size_t{12}, record.size() / 2 + 12}) {
    EXPECT_EQ(CountWith(path, Flip(record, at, 1)).value(), kBatches);
    EXPECT_THAT(notices_, IsEmpty());
  }
}

TEST_F(Damage, FlippedBitInTheLogIsAnErrorThatNamesIt) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  std::mt19937_64 random(4);
  for (int trial = 0; trial < 250; ++trial) {
    // Half of them in the last two batches: they are no torn tail, they may be acknowledged.
    const size_t front = trial % 2 == 0 ? 0 : log_ends_[kBatches - 3];
    const size_t at = front + random() % (log.size() - front);
    const absl::StatusOr<uint64_t> count = CountWith(path, Flip(log, at, random()));
    if (count.ok()) {
      ASSERT_EQ(*count, kBatches) << "byte " << at;
      continue;
    }
    ASSERT_EQ(count.status().code(), absl::StatusCode::kDataLoss) << count.status();
    ASSERT_THAT(std::string(count.status().message()), HasSubstr(path.substr(path.rfind('/'))));
  }
}

// The error says how to go on without what follows the damage, and that works.
TEST_F(Damage, WayOutOfADamagedLogIsToCutIt) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  const absl::Status status = CountWith(path, Flip(log, log_ends_[29] + 20, 0)).status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(absl::StrCat("truncate -s ", log_ends_[29])));
  EXPECT_EQ(CountAfterAdvice(status).value(), 30u);
}

TEST_F(Damage, WayOutOfADamagedLogThatWasSyncedWorksToo) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false, /*sync_each=*/true));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  const absl::Status status = CountWith(path, Flip(log, log_ends_[29] + 20, 0)).status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(absl::StrCat("(it was synced up to byte ", log.size(), ")")));
  EXPECT_EQ(CountAfterAdvice(status).value(), 30u);
}

TEST_F(Damage, ZeroedPageInTheLogIsAnError) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  for (size_t at = 0; at + 8'192 < log.size(); at += 4'096) {
    std::string zeroed = log;
    std::fill_n(zeroed.begin() + static_cast<ptrdiff_t>(at), 4'096, '\0');
    const absl::Status status = CountWith(path, zeroed).status();
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << "page at " << at;
  }
}

TEST_F(Damage, LostLogIsAnError) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false));
  std::filesystem::remove(OnlyFile(".log"));
  const absl::Status status = RocksStore::Open(Options(original_), clock_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("has lost its write-ahead log"));
}

// As a power cut would leave logs that were not synced in order.
TEST_F(Damage, LogCutBeforeANewerOneIsAnError) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/false));
  const std::string path = OnlyFile(".log");
  const std::string log = ReadFile(path).value();
  const std::string newer = path.substr(0, path.size() - 10) + "999999.log";
  Write(newer, log.substr(0, log_ends_[0]));
  const absl::Status status = RocksStore::Open(Options(original_), clock_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not follow '"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(newer));
}

// RocksDB deletes the logs that it no longer needs newest first, and a crash may come between: an
// older one then stands before the live one, and what was between them is gone.
TEST_F(Damage, LogsThatAreNoLongerNeededAreNotRead) {
  std::map<std::string, std::string> old_logs;
  {
    std::unique_ptr<RocksStore> store = RocksStore::Open(Options(original_), clock_).value();
    for (uint64_t number = 1; number <= kBatches; ++number) {
      ASSERT_TRUE(store->Append(WorkloadBatch(number)).ok());
      if (number % 10 != 0 || number == kBatches) continue;
      const std::string path = NewestLog();
      old_logs.emplace(path, ReadFile(path).value());
      ASSERT_TRUE(store->Compact().ok());
    }
  }
  ASSERT_EQ(old_logs.size(), 4u);
  for (const auto& [path, log] : old_logs) {
    for (const std::string& contents : {log, log.substr(0, log.size() / 2), Flip(log, 20, 3)}) {
      const absl::StatusOr<uint64_t> count = CountWith(path, contents);
      ASSERT_TRUE(count.ok()) << path << ": " << count.status();
      EXPECT_EQ(*count, kBatches);
    }
  }
}

TEST_F(Damage, LostLogIsAnErrorThoughOneThatIsNoLongerNeededIsThere) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  const std::string path = NewestLog();
  const std::string older = path.substr(0, path.size() - 10) + "000001.log";
  std::filesystem::rename(path, older);
  const absl::Status status = RocksStore::Open(Options(original_), clock_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("has lost its write-ahead log"));
}

TEST_F(Damage, FlippedBitInATableIsAnErrorThatNamesItOrHarmless) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  const std::string path = OnlyFile(".sst");
  const std::string table = ReadFile(path).value();
  std::mt19937_64 random(5);
  int errors = 0;
  for (int trial = 0; trial < 250; ++trial) {
    // A third of them at the end, where the indexes are.
    const size_t front = trial % 3 == 0 ? table.size() - 2'000 : 0;
    const size_t at = front + random() % (table.size() - front);
    const absl::StatusOr<uint64_t> count = CountWith(path, Flip(table, at, random()));
    if (count.ok()) {
      ASSERT_EQ(*count, kBatches) << "byte " << at;
      continue;
    }
    ++errors;
    ASSERT_EQ(count.status().code(), absl::StatusCode::kDataLoss) << count.status();
    ASSERT_THAT(std::string(count.status().message()), HasSubstr(path.substr(path.rfind('/'))));
  }
  EXPECT_GT(errors, 200);
}

TEST_F(Damage, CutTableIsAnErrorThatNamesIt) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  const std::string path = OnlyFile(".sst");
  const std::string table = ReadFile(path).value();
  for (const size_t size : {size_t{0}, size_t{1}, table.size() / 2, table.size() - 1}) {
    const absl::Status status = CountWith(path, table.substr(0, size)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path.substr(path.rfind('/'))));
  }
}

TEST_F(Damage, FlippedBitInWhatNamesTheTablesIsAnErrorThatNamesIt) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  for (const char* name : {"MANIFEST", "CURRENT"}) {
    const std::string path = OnlyFile(name);
    const std::string contents = ReadFile(path).value();
    for (size_t at = 0; at < contents.size(); ++at) {
      const absl::StatusOr<uint64_t> count = CountWith(path, Flip(contents, at, at));
      ASSERT_EQ(count.status().code(), absl::StatusCode::kDataLoss) << name << " byte " << at;
      ASSERT_THAT(std::string(count.status().message()),
                  ::testing::AnyOf(HasSubstr("MANIFEST"), HasSubstr("CURRENT")));
    }
  }
}

TEST_F(Damage, CutManifestIsAnErrorThatNamesIt) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  const std::string path = OnlyFile("MANIFEST");
  const std::string contents = ReadFile(path).value();
  for (size_t size = 0; size < contents.size(); ++size) {
    const absl::Status status = CountWith(path, contents.substr(0, size)).status();
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << size << " bytes";
    ASSERT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat(path.substr(path.rfind('/')), "' ")));
    ASSERT_THAT(std::string(status.message()), Not(HasSubstr("truncate")));
  }
}

TEST_F(Damage, ManifestThatIsNotThereIsCurrentsFault) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  const std::string path = OnlyFile("CURRENT");
  const absl::Status status = CountWith(path, "MANIFEST-009999\n").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("/CURRENT' names 'MANIFEST-009999', which is not there"));
}

// A process that was stopped while it wrote a table leaves it empty, and nobody misses it.
TEST_F(Damage, TableThatNobodyNamesIsNotBlamed) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  const std::string path = OnlyFile(".sst");
  const std::string table = ReadFile(path).value();
  Write(original_ + "/rows/000001.sst", "");
  Write(original_ + "/rows/000999.sst", "");
  EXPECT_EQ(CountWith(path, table).value(), kBatches);
  for (const std::string& damaged :
       {table.substr(0, table.size() - 1), Flip(table, table.size() - 4, 0)}) {
    const absl::Status status = CountWith(path, damaged).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path.substr(path.rfind('/'))));
  }
}

TEST_F(Damage, LostTableOrManifestIsAnErrorThatNamesIt) {
  ASSERT_NO_FATAL_FAILURE(Fill(/*compact=*/true));
  for (const char* name : {".sst", "MANIFEST", "CURRENT"}) {
    const std::string path = OnlyFile(name);
    const std::string contents = ReadFile(path).value();
    std::filesystem::remove(path);
    const absl::Status status = RocksStore::Open(Options(original_), clock_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path.substr(path.rfind('/') + 1)));
    Write(path, contents);
  }
}

}  // namespace
}  // namespace treadle::store
