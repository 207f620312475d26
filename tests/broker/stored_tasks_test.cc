#include "server/broker/stored_tasks.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "server/broker/row_codec.h"
#include "tests/broker/held_store.h"
#include "tests/broker/sample_rows.h"

namespace treadle::broker {
namespace {

using testing::ElementsAre;

std::vector<uint64_t> SequencesOf(const FinishedPage& page) {
  std::vector<uint64_t> sequences;
  for (const engine::FinishedRow& row : page.rows) sequences.push_back(row.id.sequence);
  return sequences;
}

TEST(StoredTasks, APageMayEndAndBeginAmongThoseThatSucceededTogether) {
  const TestClock clock;
  HeldStore store(clock);
  engine::FinishedRow outcomes = SomeOutcomes();  // of tasks 78 to 80
  outcomes.drop_at_ms = clock.NowMs() + 1'000;
  outcomes.body = AllOf(std::make_shared<const Body>(SomeBody()));
  store::WriteBatch batch;
  RowEncoder().Encode(outcomes, batch);
  ASSERT_TRUE(store.Append(batch).ok());
  StoredTasks stored(store);
  const auto any = [](const engine::FinishedRow&) { return true; };
  const auto first = stored.ListFinished(2, {}, any);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(SequencesOf(*first), ElementsAre(78, 79));
  ASSERT_EQ(first->next, (TaskId{outcomes.id.session, 80}));
  const auto second = stored.ListFinished(2, *first->next, any);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT(SequencesOf(*second), ElementsAre(80));
  EXPECT_EQ(second->rows[0].payload_bytes, 3u);
  EXPECT_FALSE(second->next.has_value());
}

}  // namespace
}  // namespace treadle::broker
