#include "server/rpc/disk_watch.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/store/store.h"

namespace treadle::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A store that says since when its disk has been at work.
class BusyStore final : public store::Store {
 public:
  std::string_view Kind() const override { return "busy"; }
  store::Reach reach() const override { return store::Reach::kDisk; }
  absl::StatusOr<store::Sequence> Append(const store::WriteBatch&) override { return 1; }
  void RequestSync() override {}
  void SetOnSynced(std::function<void(absl::StatusOr<store::Sequence>)>) override {}
  absl::StatusOr<std::string> Get(std::string_view) override { return absl::NotFoundError(""); }
  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view, std::string_view, size_t,
                                                  VisitRow) override {
    return std::nullopt;
  }
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view, std::string_view, size_t,
                                                      VisitRow) override {
    return std::nullopt;
  }
  int64_t FreeBytes() override { return INT64_MAX; }
  std::optional<int64_t> BusySinceMs() const override { return busy_since_ms; }

  std::optional<int64_t> busy_since_ms;
};

class DiskWatchTest : public testing::Test {
 protected:
  // Looks as often as it is to be looked.
  void LookUntil(int64_t ms) {
    for (; now_ms <= ms; now_ms += DiskWatch::kLookMs) watch.Look(now_ms);
  }

  int64_t now_ms = 1'000;
  BusyStore store;
  std::vector<bool> told;
  std::vector<int64_t> hung_ms;
  DiskWatch watch{store,
                  {[this](bool serves) { told.push_back(serves); },
                   [this](int64_t, int64_t ms) { hung_ms.push_back(ms); }}};
};

TEST_F(DiskWatchTest, ADiskThatHangsIsToldOnceAndWhenItIsOver) {
  LookUntil(10'000);
  store.busy_since_ms = 10'000;
  LookUntil(10'000 + DiskWatch::kHungMs - 1);
  EXPECT_THAT(told, IsEmpty());
  EXPECT_EQ(watch.HungMs(now_ms), 0);
  LookUntil(10'000 + DiskWatch::kHungMs);
  EXPECT_THAT(told, ElementsAre(false));
  EXPECT_THAT(hung_ms, ElementsAre(3'000));
  EXPECT_EQ(watch.HungMs(15'000), 5'000);
  LookUntil(200'000);
  EXPECT_THAT(told, ElementsAre(false));
  store.busy_since_ms = 200'000;  // the next one, and it does not take long
  LookUntil(201'000);
  EXPECT_THAT(told, ElementsAre(false, true));
  EXPECT_EQ(watch.HungMs(now_ms), 0);
  const size_t tellings = hung_ms.size();
  store.busy_since_ms.reset();
  LookUntil(300'000);
  EXPECT_THAT(told, ElementsAre(false, true));
  EXPECT_EQ(hung_ms.size(), tellings);
}

TEST_F(DiskWatchTest, APauseOfTheProcessIsNotTheDisks) {
  LookUntil(10'000);
  store.busy_since_ms = 10'000;
  LookUntil(11'000);
  now_ms = 60'000;  // it stood still
  LookUntil(60'000 + DiskWatch::kHungMs - 1);
  EXPECT_THAT(told, IsEmpty());
  LookUntil(60'000 + DiskWatch::kHungMs);
  EXPECT_THAT(told, ElementsAre(false));
  now_ms = 90'000;
  LookUntil(100'000);
  EXPECT_THAT(told, ElementsAre(false));  // it still hangs
  store.busy_since_ms.reset();
  LookUntil(101'000);
  EXPECT_THAT(told, ElementsAre(false, true));
}

}  // namespace
}  // namespace treadle::rpc
