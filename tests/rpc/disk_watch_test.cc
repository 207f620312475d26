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
  int64_t FreeBytes() override { return INT64_MAX; }
  std::optional<int64_t> BusySinceMs() const override { return busy_since_ms; }

  std::optional<int64_t> busy_since_ms;
};

TEST(DiskWatch, ADiskThatHangsIsToldOnceAndWhenItIsOver) {
  BusyStore store;
  std::vector<bool> told;
  DiskWatch watch(store, [&](bool serves) { told.push_back(serves); });
  watch.Look(1'000);
  store.busy_since_ms = 1'000;
  watch.Look(1'000 + DiskWatch::kHungMs - 1);
  EXPECT_THAT(told, IsEmpty());
  watch.Look(1'000 + DiskWatch::kHungMs);
  EXPECT_THAT(told, ElementsAre(false));
  watch.Look(200'000);
  EXPECT_THAT(told, ElementsAre(false));
  store.busy_since_ms = 200'000;  // the next one, and it does not take long
  watch.Look(200'500);
  EXPECT_THAT(told, ElementsAre(false, true));
  store.busy_since_ms.reset();
  watch.Look(300'000);
  EXPECT_THAT(told, ElementsAre(false, true));
}

}  // namespace
}  // namespace treadle::rpc
