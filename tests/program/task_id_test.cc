#include "proto/support/task_id.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include <gtest/gtest.h>

namespace treadle {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(TaskId, EveryIdIsReadBackFromItsText) {
  for (const uint64_t session :
       {uint64_t{1}, uint64_t{31}, uint64_t{32}, uint64_t{1} << 35, kMax}) {
    for (const uint64_t sequence : {uint64_t{1}, uint64_t{1023}, uint64_t{1024}, kMax}) {
      const TaskId id{session, sequence};
      const absl::StatusOr<TaskId> read = TaskId::Parse(id.ToString());
      ASSERT_TRUE(read.ok()) << id.ToString() << ": " << read.status();
      EXPECT_EQ(*read, id);
    }
  }
  EXPECT_EQ((TaskId{1, 1}.ToString()), "1-1");
  EXPECT_EQ((TaskId{32, 31}.ToString()), "10-z");
  EXPECT_EQ((TaskId{kMax, kMax}.ToString()), "fzzzzzzzzzzzz-fzzzzzzzzzzzz");
}

TEST(TaskId, AnyOtherSpellingIsRefusedWithTheWayOut) {
  for (const std::string text :
       {"", "-", "1", "1-", "-1", "0-1", "1-0", "01-1", "1-01", "1-1-1", "1 -1", "1-i", "1-L",
        "1-U", "A-1", "g000000000000-1", "1-00000000000000", "1-gzzzzzzzzzzzz", "\xff-1"}) {
    const absl::StatusOr<TaskId> read = TaskId::Parse(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(read.status().message().find("task_id"), std::string::npos) << read.status();
  }
}

}  // namespace
}  // namespace treadle
