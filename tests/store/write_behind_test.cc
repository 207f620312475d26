#include "server/store/write_behind.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/store/memory_store.h"
#include "tests/store/manual_clock.h"
#include "tests/store/rows.h"

namespace treadle::store {
namespace {

using ::testing::ElementsAre;

// A store that hangs until it is let go on.
class HungStore final : public Store {
 public:
  explicit HungStore(const Clock& clock) : rows_(clock) {}

  std::string_view Kind() const override { return "hung"; }
  Reach reach() const override { return Reach::kDisk; }
  absl::StatusOr<Sequence> Append(const WriteBatch& batch) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return may_append_ > 0; });
    --may_append_;
    if (fails_) return absl::DataLossError("append: EIO");
    return rows_.Append(batch);
  }
  void RequestSync() override {
    const std::lock_guard lock(mutex_);
    rows_.RequestSync();
  }
  void SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) override {
    rows_.SetOnSynced(std::move(on_synced));
  }
  absl::StatusOr<std::string> Get(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    return rows_.Get(key);
  }
  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override {
    const std::lock_guard lock(mutex_);
    return rows_.Scan(begin, end, rows_max, visit);
  }
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override {
    const std::lock_guard lock(mutex_);
    return rows_.ScanBack(begin, end, rows_max, visit);
  }
  int64_t FreeBytes() override { return INT64_MAX; }

  void LetAppend(int batches, bool fail = false) {
    {
      const std::lock_guard lock(mutex_);
      may_append_ += batches;
      fails_ = fail;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int may_append_ = 0;
  bool fails_ = false;
  MemoryStore rows_;
};

// What the store has said, for the test to wait for.
class Words {
 public:
  void Say(absl::StatusOr<Sequence> upto) {
    {
      const std::lock_guard lock(mutex_);
      latest_ = std::move(upto);
    }
    changed_.notify_all();
  }
  void Await(Sequence upto) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return latest_.ok() && *latest_ >= upto; });
  }
  absl::Status AwaitError() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !latest_.ok(); });
    return latest_.status();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  absl::StatusOr<Sequence> latest_ = Sequence{0};
};

class WriteBehindTest : public ::testing::Test {
 protected:
  WriteBehindTest() {
    auto hung = std::make_unique<HungStore>(clock_);
    hung_ = hung.get();
    store_.emplace(std::move(hung));
    store_->SetOnSynced([this](absl::StatusOr<Sequence> upto) { synced_.Say(std::move(upto)); });
    EXPECT_TRUE(store_->SetOnWritten(
        [this](absl::StatusOr<Sequence> upto) { written_.Say(std::move(upto)); }));
  }
  ~WriteBehindTest() override {
    hung_->LetAppend(1'000);
    store_.reset();
  }

  static std::string Stays(const std::string& value) { return std::string(1, '\0') + value; }
  void Put(const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.Put(key, Stays(value));
    ASSERT_TRUE(store_->Append(batch).ok());
  }
  void Delete(const std::string& key) {
    WriteBatch batch;
    batch.Delete(key);
    ASSERT_TRUE(store_->Append(batch).ok());
  }

  ManualClock clock_{1'700'000'000'000};
  HungStore* hung_ = nullptr;
  Words written_;
  Words synced_;
  std::optional<WriteBehind> store_;
};

TEST_F(WriteBehindTest, WhatIsTakenIsWrittenHoweverTheBatchGoesOn) {
  WriteBatch batch;
  for (int i = 0; i < 20; ++i) {
    batch.Put("a" + std::to_string(i), Stays(std::string(100 * (20 - i), 'x')));
    ASSERT_TRUE(store_->Take(batch).ok());
    EXPECT_TRUE(batch.empty());
    EXPECT_EQ(batch.bytes(), 0u);
    if (i % 3 == 0) hung_->LetAppend(2);
  }
  hung_->LetAppend(20);
  written_.Await(20);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(*store_->Get("a" + std::to_string(i)), Stays(std::string(100 * (20 - i), 'x')));
  }
}

TEST_F(WriteBehindTest, AppendsDoNotWaitForTheDisk) {
  for (int i = 0; i < 1'000; ++i) Put("a", std::to_string(i));
  EXPECT_GT(store_->UnwrittenBytes(), 1'000 * 3);
  hung_->LetAppend(1'000);
  written_.Await(1'000);
  EXPECT_EQ(store_->UnwrittenBytes(), 0);
  EXPECT_EQ(*store_->Get("a"), Stays("999"));
}

TEST_F(WriteBehindTest, AReadSeesWhatWasAppendedBefore) {
  std::vector<std::string> read;
  Words done;
  const auto read_later = [&](const std::string& key) {
    store_->ReadLater(Store::Urgency::kWork, [&, key] {
      read.push_back(store_->Get(key).value_or("none"));
      done.Say(read.size());
    });
  };
  Put("a", "old");
  read_later("a");
  Put("a", "new");
  Put("b", "one");
  read_later("a");
  read_later("b");
  Delete("b");
  read_later("b");
  hung_->LetAppend(1);
  done.Await(1);
  EXPECT_THAT(read, ElementsAre(Stays("old")));
  hung_->LetAppend(3);
  done.Await(4);
  read_later("a");  // waits for nothing
  EXPECT_THAT(read, ElementsAre(Stays("old"), Stays("new"), Stays("one"), "none", Stays("new")));
}

TEST_F(WriteBehindTest, ASyncCoversWhatWasAppendedBeforeAndDoesNotWaitForMore) {
  Put("a", "1");
  Put("b", "2");
  store_->RequestSync();
  Put("c", "3");
  hung_->LetAppend(2);
  synced_.Await(2);
  hung_->LetAppend(1);
  written_.Await(3);
  store_->RequestSync();
  synced_.Await(3);
}

TEST_F(WriteBehindTest, AfterAnErrorNothingIsAppendedAnyMore) {
  Put("a", "1");
  Put("b", "2");
  hung_->LetAppend(2, /*fail=*/true);
  EXPECT_TRUE(absl::IsDataLoss(written_.AwaitError()));
  EXPECT_TRUE(absl::IsDataLoss(store_->Append(WriteBatch()).status()));
}

}  // namespace
}  // namespace treadle::store
