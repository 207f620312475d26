#include "server/store/replay_progress.h"

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/write_batch.h"

namespace treadle::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class ReplayProgressTest : public ::testing::Test {
 protected:
  void Replay(int batches, std::chrono::milliseconds interval) {
    ReplayProgress progress(
        100, [this](int64_t done, int64_t total) { told_.emplace_back(done, total); }, interval);
    const rocksdb::WriteBatch batch;
    for (int i = 0; i < batches; ++i) {
      EXPECT_EQ(progress.LogRecordFound(4, "000004.log", batch, nullptr, nullptr),
                rocksdb::WalFilter::WalProcessingOption::kContinueProcessing);
    }
  }

  std::vector<std::pair<int64_t, int64_t>> told_;
};

TEST_F(ReplayProgressTest, TellsBytesDoneOfAll) {
  Replay(2, std::chrono::milliseconds(0));
  EXPECT_THAT(told_, ElementsAre(Pair(12, 100), Pair(24, 100)));  // an empty batch has 12 bytes
}

TEST_F(ReplayProgressTest, IsSilentWhenItIsQuick) {
  Replay(1'000, std::chrono::hours(1));
  EXPECT_THAT(told_, IsEmpty());
}

}  // namespace
}  // namespace treadle::store
