#include "server/store/reclaimer.h"

#include <cstdint>
#include <memory>
#include <random>
#include <string>

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

  void Pass() {
    DiskSpace space([this] { return free_bytes_; }, /*headroom_bytes=*/0,
                    (kMergeTables + 1) * kMiB);
    space.Measure(*db_);
    Reclaimer(Reclaimer::Needs{}, *db_, space, *cuts_, kMiB).Pass();
  }

  const TempDirectory directory_;
  const std::shared_ptr<TableCuts> cuts_ = std::make_shared<TableCuts>();
  std::unique_ptr<rocksdb::DB> db_;
  int64_t free_bytes_ = 0;
};

// The ends are a few kilobytes in a single block, and lie over all that there is.
TEST_F(ReclaimerTest, EndsOfManyRowsNeedRoomForAFewTablesOnly) {
  std::mt19937 random(8);
  for (int row = 0; row < kRows; ++row) {
    std::string value;
    while (value.size() < kRowBytes) value += absl::StrCat(absl::Hex(random()));
    Write(row, value);
  }
  ASSERT_TRUE(db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr).ok());
  const int64_t before = TableBytes();
  ASSERT_GT(before, 15 * kMiB);

  for (int row = 0; row < kRows; ++row) Write(row, "ended");
  ASSERT_TRUE(db_->Flush(rocksdb::FlushOptions()).ok());
  free_bytes_ = (kMergeTables + 2) * kMiB;
  Pass();
  EXPECT_LT(TableBytes(), before / 10);
}

}  // namespace
}  // namespace treadle::store
