#include "server/store/reclaimer.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"

#include "server/store/rocks_options.h"
#include "server/store/table_cuts.h"
#include "tests/store/temp_directory.h"

namespace treadle::store {
namespace {

constexpr int64_t kMiB = 1 << 20;

class ReclaimerTest : public ::testing::Test {
 protected:
  static constexpr int kRows = 400;
  static constexpr size_t kRowBytes = 100'000;

  ReclaimerTest() {
    RocksStoreOptions options;
    options.memtable_bytes = kMiB;
    rocksdb::Options rocks = RocksOptions(options);
    rocks.create_if_missing = true;
    rocks.disable_auto_compactions = true;
    rocks.sst_partitioner_factory = cuts_;
    rocksdb::DB* db = nullptr;
    EXPECT_TRUE(rocksdb::DB::Open(rocks, directory_ / "rows", &db).ok());
    db_.reset(db);
  }

  static std::string Key(int row) { return absl::StrCat("t", absl::Dec(row, absl::kZeroPad6)); }

  void Write(int row, const std::string& value) {
    ASSERT_TRUE(db_->Put(rocksdb::WriteOptions(), Key(row), value).ok());
  }

  int64_t TableBytes() {
    uint64_t bytes = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &bytes);
    return static_cast<int64_t>(bytes);
  }

  // Large rows, and then their ends: a few kilobytes in a single block, that lie over all of them.
  void WriteRowsAndEnds() {
    std::mt19937 random(8);
    for (int row = 0; row < kRows; ++row) {
      std::string value;
      while (value.size() < kRowBytes) value += absl::StrCat(absl::Hex(random()));
      Write(row, value);
    }
    ASSERT_TRUE(db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr).ok());
    rows_bytes_ = TableBytes();
    ASSERT_GT(rows_bytes_, 15 * kMiB);
    for (int row = 0; row < kRows; ++row) Write(row, "ended");
    ASSERT_TRUE(db_->Flush(rocksdb::FlushOptions()).ok());
    space_.Measure(*db_);
  }

  const TempDirectory directory_;
  const std::shared_ptr<TableCuts> cuts_ = std::make_shared<TableCuts>();
  std::unique_ptr<rocksdb::DB> db_;
  // Room for a few tables.
  DiskSpace space_{[] { return (kMergeTables + 2) * kMiB; }, /*headroom_bytes=*/0,
                   (kMergeTables + 1) * kMiB};
  int64_t rows_bytes_ = 0;
};

TEST_F(ReclaimerTest, EndsOfManyRowsNeedRoomForAFewTablesOnly) {
  WriteRowsAndEnds();
  Reclaimer(Reclaimer::Needs{}, *db_, space_, *cuts_, kMiB).Pass();
  EXPECT_LT(TableBytes(), rows_bytes_ / 10);
}

// Submits are refused then, so nothing may change until there is room.
TEST_F(ReclaimerTest, AFullDiskGetsRoomThoughNothingChanges) {
  WriteRowsAndEnds();
  Reclaimer::Needs needs;
  needs.free_bytes = [] { return 0; };
  needs.changes = [] { return 0; };
  Reclaimer reclaimer(std::move(needs), *db_, space_, *cuts_, kMiB);
  reclaimer.Start();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (TableBytes() >= rows_bytes_ / 10 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LT(TableBytes(), rows_bytes_ / 10);
}

}  // namespace
}  // namespace treadle::store
