#include "server/broker/stored_tasks.h"

#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "server/broker/row_codec.h"
#include "tests/broker/held_store.h"
#include "tests/broker/sample_rows.h"

namespace treadle::broker {
namespace {

bool Any(const engine::FinishedRow&) { return true; }

class StoredTasksTest : public testing::Test {
 protected:
  // Of tasks of session 9, those from `first` on, as many as there are sizes.
  void Store(uint64_t first, std::vector<uint32_t> payload_sizes, int64_t drop_in_ms = 1'000) {
    engine::FinishedRow row = SomeOutcomes();
    row.id = TaskId{9, first};
    row.tasks = static_cast<uint32_t>(payload_sizes.size());
    row.payload_sizes = payload_sizes.size() > 1 ? payload_sizes : std::vector<uint32_t>();
    row.payload_bytes = std::accumulate(payload_sizes.begin(), payload_sizes.end(), uint64_t{0});
    row.result_sizes.assign(row.payload_sizes.size(), 0);
    row.drop_at_ms = clock.NowMs() + drop_in_ms;
    row.body = AllOf(std::make_shared<const Body>());
    store::WriteBatch batch;
    RowEncoder().Encode(row, batch);
    ASSERT_TRUE(store.Append(batch).ok());
  }
  // The sequences of all, in pages of `limit`.
  std::vector<uint64_t> Look(bool descending, size_t limit) {
    std::vector<uint64_t> sequences;
    std::optional<FinishedPlace> place =
        descending ? StoredTasks::kLastFinished : StoredTasks::kFirstFinished;
    while (place.has_value()) {
      size_t room = limit;
      const auto visit = [&](const engine::FinishedRow& row, uint32_t index) {
        if (room == 0) return false;
        --room;
        sequences.push_back(row.id.sequence + index);
        return true;
      };
      const absl::StatusOr<FinishedLookedAt> page =
          stored.LookThroughFinished(*place, descending, Any, visit);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_EQ(page->searched, static_cast<int64_t>(limit - room));
      place = page->next;
    }
    return sequences;
  }

  TestClock clock;
  HeldStore store{clock};
  StoredTasks stored{store};
};

TEST_F(StoredTasksTest, APageMayEndAndBeginAmongThoseThatSucceededTogether) {
  Store(3, {1});
  Store(4, {1, 2, 3});
  Store(7, {4}, /*drop_in_ms=*/0);  // has expired
  Store(8, {5, 6});
  const std::vector<uint64_t> all = {3, 4, 5, 6, 8, 9};
  for (size_t limit = 1; limit <= all.size() + 1; ++limit) {
    EXPECT_EQ(Look(/*descending=*/false, limit), all) << "pages of " << limit;
    EXPECT_EQ(Look(/*descending=*/true, limit), std::vector<uint64_t>(all.rbegin(), all.rend()))
        << "pages of " << limit;
  }
}

TEST_F(StoredTasksTest, ALookEndsAfterTenThousandRowsAndGoesOnBehindThem) {
  constexpr uint64_t kRows = 10'005;
  for (uint64_t i = 0; i < kRows; ++i) Store(1 + 2 * i, {1, 1});
  for (const bool descending : {false, true}) {
    FinishedPlace place = descending ? StoredTasks::kLastFinished : StoredTasks::kFirstFinished;
    int64_t searched = 0;
    int pages = 0;
    for (bool more = true; more; ++pages) {
      const auto fits = [](const engine::FinishedRow&) { return false; };
      const auto visit = [](const engine::FinishedRow&, uint32_t) { return true; };
      const auto page = stored.LookThroughFinished(place, descending, fits, visit);
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_GT(page->searched, 0);
      EXPECT_LE(page->searched, 2 * 10'000);
      searched += page->searched;
      more = page->next.has_value();
      if (more) place = *page->next;
    }
    EXPECT_EQ(searched, 2 * kRows) << (descending ? "descending" : "ascending");
    EXPECT_GE(pages, 2);
  }
}

TEST_F(StoredTasksTest, WhatDoesNotFitIsPassedOverTogether) {
  Store(1, {1, 2, 3});
  const auto fits = [](const engine::FinishedRow&) { return false; };
  const auto visit = [](const engine::FinishedRow&, uint32_t) -> bool {
    ADD_FAILURE() << "does not fit";
    return false;
  };
  const auto page =
      stored.LookThroughFinished(StoredTasks::kFirstFinished, /*descending=*/false, fits, visit);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->searched, 3);
  EXPECT_FALSE(page->next.has_value());
}

}  // namespace
}  // namespace treadle::broker
