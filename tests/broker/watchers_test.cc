#include "server/broker/watchers.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TaskId kTask{5, 1};

std::vector<CallId> Finished(Watchers& watchers, TaskId task) {
  std::vector<CallId> calls;
  watchers.Finished(task, calls);
  return calls;
}

TEST(Watchers, ASessionsStreamHearsOfAllItsTasks) {
  Watchers watchers;
  watchers.SessionOpened(CallId{1}, 5);
  EXPECT_EQ(watchers.StreamOf(5), CallId{1});
  EXPECT_EQ(watchers.StreamOf(6), CallId{});
}

TEST(Watchers, WhoAwaitsATaskIsToldOnce) {
  Watchers watchers;
  EXPECT_TRUE(watchers.Add(CallId{1}, kTask, false));
  EXPECT_TRUE(watchers.Add(CallId{2}, kTask, false));
  EXPECT_FALSE(watchers.Add(CallId{2}, kTask, true));
  EXPECT_THAT(Finished(watchers, kTask), ElementsAre(CallId{1}, CallId{2}));
  EXPECT_EQ(watchers.size(), 0);
}

TEST(Watchers, OutcomesOnRequestOnly) {
  Watchers watchers;
  watchers.DeliverAll(CallId{1}, false);  // before the session is open
  watchers.SessionOpened(CallId{1}, 5);
  EXPECT_EQ(watchers.StreamOf(5), CallId{});
  watchers.Add(CallId{1}, kTask, false);
  EXPECT_THAT(Finished(watchers, kTask), ElementsAre(CallId{1}));
  watchers.DeliverAll(CallId{1}, true);
  EXPECT_EQ(watchers.StreamOf(5), CallId{1});
}

TEST(Watchers, TheNewerStreamOfASessionReplacesTheOlder) {
  Watchers watchers;
  std::vector<TaskId> unwatched;
  watchers.SessionOpened(CallId{1}, 5);
  watchers.SessionOpened(CallId{2}, 5);
  watchers.CallClosed(CallId{1}, unwatched);
  EXPECT_EQ(watchers.StreamOf(5), CallId{2});
  watchers.CallClosed(CallId{2}, unwatched);
  EXPECT_EQ(watchers.StreamOf(5), CallId{});
}

TEST(Watchers, TheLastWatcherThatLeavesIsNamed) {
  Watchers watchers;
  std::vector<TaskId> unwatched;
  watchers.Add(CallId{1}, kTask, true);
  watchers.Add(CallId{2}, kTask, true);
  watchers.Add(CallId{3}, kTask, false);
  std::vector<CallId> calls;
  watchers.Watching(kTask, calls);
  EXPECT_THAT(calls, ElementsAre(CallId{1}, CallId{2}));
  watchers.CallClosed(CallId{1}, unwatched);
  EXPECT_THAT(unwatched, IsEmpty());
  watchers.CallClosed(CallId{2}, unwatched);
  EXPECT_THAT(unwatched, ElementsAre(kTask));
  EXPECT_THAT(Finished(watchers, kTask), ElementsAre(CallId{3}));
}

TEST(Watchers, ACallThatGivesOneTaskUpKeepsTheOthers) {
  Watchers watchers;
  watchers.Add(CallId{1}, kTask, false);
  watchers.Add(CallId{1}, TaskId{5, 2}, false);
  EXPECT_TRUE(watchers.Remove(CallId{1}, kTask));
  EXPECT_FALSE(watchers.Remove(CallId{1}, kTask));
  EXPECT_FALSE(watchers.Has(CallId{1}, kTask));
  EXPECT_TRUE(watchers.Has(CallId{1}, TaskId{5, 2}));
  EXPECT_EQ(watchers.size(), 1);
}

}  // namespace
}  // namespace treadle::broker
