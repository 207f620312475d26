// What those are told who await, watch, cancel and ask.
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "server/broker/row_key.h"
#include "server/broker/stored_tasks.h"
#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using engine::Durability;
using testing::IsEmpty;
using testing::SizeIs;

using BrokerAnswersTest = BrokerTest;

TEST_F(BrokerAnswersTest, AnOutcomeIsToldToWhoAwaitsIt) {
  const TaskId id = Submit("payload");
  Attach(1);
  Post(AwaitTask{kOther, id});
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Succeed(leases[0].lease, "result");
  Turn();
  EXPECT_THAT(listener.Take<OutcomeReady>(), IsEmpty());
  store.FinishSync();
  Turn();
  const auto outcomes = listener.Take<OutcomeReady>();
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(outcomes[0].call, kOther);
  EXPECT_EQ(outcomes[0].row->state, engine::TaskState::kSucceeded);
  EXPECT_EQ(BytesIn(outcomes[0].row->body), "result");
}

TEST_F(BrokerAnswersTest, AwaitingATaskThatHasEndedFindsItsStoredOutcome) {
  const TaskId id = RunOne("result");
  Post(AwaitTask{kOther, id});
  Turn();
  Turn();  // what was read
  const auto outcomes = listener.Take<OutcomeReady>();
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(BytesIn(outcomes[0].row->body), "result");
  EXPECT_EQ(outcomes[0].row->id, id);
}

TEST_F(BrokerAnswersTest, AwaitingATaskThatEndsInTheSameTurn) {
  const TaskId id = Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Succeed(leases[0].lease, "result");
  Post(AwaitTask{kOther, id});
  TurnAndSync();
  EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(1));
  EXPECT_THAT(listener.Take<TaskUnknown>(), IsEmpty());
}

TEST_F(BrokerAnswersTest, AwaitingAnUnknownTaskSaysSo) {
  Post(AwaitTask{kOther, TaskId{77, 7}});
  Turn();
  Turn();
  const auto unknown = listener.Take<TaskUnknown>();
  ASSERT_THAT(unknown, SizeIs(1));
  EXPECT_EQ(unknown[0].task, (TaskId{77, 7}));
}

TEST_F(BrokerAnswersTest, NobodyIsToldThatATaskIsUnknownWhoWasToldThatItIsAccepted) {
  const uint64_t session = OpenSession();
  const TaskId id{session, 1};
  FillQueue();
  SubmitWaiting(id, "second", Durability::kMemory);
  Post(AwaitTask{kClient, id});
  Turn();  // it is unknown, which is said when the turn is on disk
  Attach(1);
  Turn();  // it is accepted, which is said at once
  ASSERT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  store.FinishSync();
  Turn();
  EXPECT_THAT(listener.Take<TaskUnknown>(), IsEmpty());

  Tell(engine::Cancel{kOther, 0, id});
  TurnAndSync();
  EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(1));
}

TEST_F(BrokerAnswersTest, BeyondTheBoundOfWatchersACallIsEnded) {
  options.watchers_max = 1;
  Start();
  const TaskId id = Submit("payload");
  Post(AwaitTask{kOther, id});
  Post(AwaitTask{CallId{4}, id});
  TurnAndSync();
  const auto ended = listener.Take<engine::EndCall>();
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].call, CallId{4});
  EXPECT_TRUE(absl::IsResourceExhausted(ended[0].status));
}

TEST_F(BrokerAnswersTest, AWatcherSeesTheTaskNowAndAtEveryChangeAndItsProgress) {
  const TaskId id = Submit("payload");
  TurnAndSync();
  Post(WatchTask{kOther, id});
  Turn();
  auto seen = listener.Take<TaskSeen>();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].view->state, engine::TaskState::kQueued);

  Attach(1);
  TurnAndSync();
  seen = listener.Take<TaskSeen>();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].view->state, engine::TaskState::kRunning);

  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Post(ReportProgress{kWorker, engine::Token{999}, {0.9, "stale"}});
  Post(ReportProgress{kWorker, leases[0].lease.token, {0.5, "half"}});
  Turn();
  seen = listener.Take<TaskSeen>();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].progress.message, "half");

  Succeed(leases[0].lease, "result");
  TurnAndSync();
  EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(1));
}

TEST_F(BrokerAnswersTest, CancellingATaskThatHasEndedIsNoError) {
  const TaskId id = RunOne("result");
  Tell(engine::Cancel{kOther, 0, id});
  Tell(engine::Cancel{kOther, 1, TaskId{77, 7}});
  TurnAndSync();
  const auto answers = listener.Take<engine::CancelDone>();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_TRUE(answers[0].status.ok()) << answers[0].status;
  EXPECT_TRUE(absl::IsNotFound(answers[1].status));
}

TEST_F(BrokerAnswersTest, AQuestionAboutAnOutcomeIsAnsweredWhenThatIsSafeAnyOtherAtOnce) {
  const TaskId id = Submit("payload");
  Attach(1);
  TurnAndSync();
  Succeed(TakeLeases().at(0).lease, "result");
  bool told = false;
  int answered = 0;
  Post(AskQuery{kOther, Query([&](const View&) {
                  return Look([&](StoredTasks& stored) {
                    EXPECT_TRUE(stored.Finished(id).ok());
                    return Answer([&] { told = true; });
                  });
                })});
  Post(AskQuery{kOther, Query([&](const View&) { return Answer([&] { ++answered; }); })});
  Turn();
  Turn();
  EXPECT_FALSE(told);
  EXPECT_EQ(answered, 1);
  store.FinishSync();
  Turn();
  EXPECT_TRUE(told);
}

TEST_F(BrokerAnswersTest, FinishedTasksAreListedFromTheStore) {
  const TaskId id = RunOne("result");
  std::vector<TaskId> listed;
  FinishedLookedAt page;
  Query query = [&](const View&) {
    return Look([&](StoredTasks& stored) {
      page = *stored.LookThroughFinished(
          StoredTasks::kFirstFinished, /*descending=*/false,
          [](const engine::FinishedRow&) { return true; },
          [&listed](const engine::FinishedRow& row, uint32_t) {
            listed.push_back(row.id);
            return true;
          });
      return Answer([] {});
    });
  };
  Post(AskQuery{kOther, std::move(query)});
  Turn();
  EXPECT_THAT(listed, testing::ElementsAre(id));
  EXPECT_FALSE(page.next.has_value());
}

// Its time must not grow with what has ended.
TEST_F(BrokerAnswersTest, AStartReadsNothingOfWhatHasEnded) {
  const TaskId ended = Submit("payload", {.request_key = "once"});
  Attach(1);
  TurnAndSync();  // its key is looked up
  TurnAndSync();
  Succeed(TakeLeases().at(0).lease, "result");
  const TaskId waiting = Submit("payload");
  TurnAndSync();
  store.scanned_keys.clear();
  Start();
  EXPECT_THAT(store.scanned_keys, testing::Contains(TaskRowKey(waiting)));
  for (const std::string& key : store.scanned_keys) {
    EXPECT_NE(KindOfKey(key), RowKind::kFinished) << DescribeKey(key);
    EXPECT_NE(KindOfKey(key), RowKind::kKey) << DescribeKey(key);
    EXPECT_NE(TaskOfKey(key), ended) << DescribeKey(key);
  }
}

TEST_F(BrokerAnswersTest, ARequestKeyIsKnownWhenItsTaskHasEnded) {
  const engine::TaskSpec spec{.request_key = "once", .digest = {1, 2}};
  const TaskId first = Submit("payload", spec);
  Attach(1);
  TurnAndSync();  // its key is looked up
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Succeed(leases[0].lease, "result");
  TurnAndSync();
  listener.Take<engine::Submitted>();

  Submit("payload", spec);
  Submit("other", {.request_key = "once", .digest = {3, 4}});
  TurnAndSync();
  TurnAndSync();
  auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(2));
  if (!answers[0].status.ok()) std::swap(answers[0], answers[1]);  // a refusal need not wait
  EXPECT_TRUE(answers[0].existing);
  EXPECT_EQ(answers[0].id, first);
  EXPECT_TRUE(absl::IsAlreadyExists(answers[1].status)) << answers[1].status;
}

}  // namespace
}  // namespace treadle::broker
