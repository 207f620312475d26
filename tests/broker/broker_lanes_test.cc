#include <chrono>

#include "tests/broker/broker_fixture.h"

// Time under load: lanes, the bounds of a turn, and what the broker did not hear.

namespace treadle::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class BrokerLanesTest : public BrokerTest {
 protected:
  BrokerLanesTest() { options.engine.lease_ms = 1'000; }

  // A task that the worker has begun to run.
  engine::Lease RunningTask() {
    Submit("payload");
    lane = Lane::kWorkers;
    Attach(1);
    lane = Lane::kClients;
    for (int turns = 0; turns < 5; ++turns) TurnAndSync();
    const std::vector<LeasedRun> leases = TakeLeases();
    EXPECT_THAT(leases, SizeIs(1));
    TellWorkers(engine::StartAttempt{kWorker, leases.at(0).lease.token});
    TurnAndSync();
    listener.heard.clear();
    return leases.at(0).lease;
  }
  void TellWorkers(engine::Command command, BodyPtr body = nullptr) {
    lane = Lane::kWorkers;
    Tell(std::move(command), std::move(body));
    lane = Lane::kClients;
  }
  bool IsRunning(TaskId task) {
    return broker->engine().FindTask(task)->state == engine::TaskState::kRunning;
  }
  // The broker listens, and nothing happens.
  void PassQuietly(int64_t ms) {
    for (; ms > 0; ms -= options.listen_ms) {
      clock.now_ms += std::min(ms, options.listen_ms);
      Turn();
    }
  }
};

TEST_F(BrokerLanesTest, AHeartbeatCountsBehindAnyBacklog) {
  options.turn_requests_max = 10;
  Start();
  const engine::Lease lease = RunningTask();
  PassQuietly(900);
  for (int i = 0; i < 1'500; ++i) Submit("x", {.durability = engine::Durability::kMemory});
  TellWorkers(engine::Heartbeat{kWorker});
  PassQuietly(200);
  EXPECT_TRUE(IsRunning(lease.task));
  PassQuietly(1'000);
  EXPECT_FALSE(IsRunning(lease.task));
}

TEST_F(BrokerLanesTest, WhatArrivedAndIsNotSteppedKeepsLeasesAlive) {
  options.turn_requests_max = 1;
  Start();
  const engine::Lease lease = RunningTask();
  PassQuietly(900);
  for (int i = 0; i < 5; ++i) TellWorkers(engine::Heartbeat{kOther});
  TellWorkers(engine::EndReports{kWorker, 1});
  TellWorkers(engine::Heartbeat{kWorker});
  PassQuietly(200);
  EXPECT_TRUE(IsRunning(lease.task));
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_THAT(listener.Take<engine::ReportsHandled>(), SizeIs(1));
  PassQuietly(900);
  EXPECT_TRUE(IsRunning(lease.task));
  PassQuietly(200);
  EXPECT_FALSE(IsRunning(lease.task));
}

TEST_F(BrokerLanesTest, APauseOfTheBrokerCostsNobodyItsLease) {
  const engine::Lease lease = RunningTask();
  clock.now_ms += 60'000;
  Turn();
  EXPECT_TRUE(IsRunning(lease.task));
  TellWorkers(engine::Heartbeat{kWorker});
  Turn();
  PassQuietly(900);
  EXPECT_TRUE(IsRunning(lease.task));
  PassQuietly(100);
  EXPECT_FALSE(IsRunning(lease.task));
}

TEST_F(BrokerLanesTest, AStalledDiskCostsNobodyItsLease) {
  options.unsynced_bytes_max = 1;
  Start();
  Submit("payload", {.durability = engine::Durability::kMemory});
  TellWorkers(engine::PollTasks{
      .call = kOther, .queues = {"mail"}, .worker_name = "w", .lease_ms = 2'000, .wait_ms = 0});
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Submit("more");
  Turn();  // its sync does not return
  for (int i = 0; i < 100; ++i) {
    clock.now_ms += 100;
    Turn();
  }
  TellWorkers(
      engine::ExtendLease{.call = kOther, .token = leases[0].lease.token, .lease_ms = 2'000});
  store.FinishSync();
  Turn();
  EXPECT_TRUE(IsRunning(leases[0].lease.task));
}

TEST_F(BrokerLanesTest, ATurnIsBoundedInBytes) {
  options.turn_bytes_max = 10'000;
  Start();
  for (int i = 0; i < 5; ++i) {
    Submit(std::string(6'000, 'x'), {.durability = engine::Durability::kMemory});
  }
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(2));
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(2));
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
}

TEST_F(BrokerLanesTest, ATurnIsBoundedInTime) {
  const SlowMachine machine;
  ServiceClock slow(machine);
  store::MemoryStore memory(slow);
  Broker timed(options, slow, memory, listener);
  ASSERT_TRUE(timed.Recover(engine::Incarnation{1}, [](int64_t) {}).ok());
  constexpr size_t kReports = 900;  // fewer than a turn may take
  for (size_t i = 0; i < kReports; ++i) {
    engine::Command report = engine::EndReports{kWorker, i};
    ASSERT_TRUE(timed.Post(Lane::kWorkers, Request{std::move(report), nullptr}).ok());
  }
  ASSERT_TRUE(timed.Turn().ok());
  EXPECT_THAT(listener.Take<engine::ReportsHandled>(), SizeIs(testing::Lt(kReports / 10)));
}

TEST_F(BrokerLanesTest, WorkersComeFirstAndLeaveClientsAShare) {
  options.turn_requests_max = 8;
  Start();
  RunningTask();
  for (int i = 0; i < 20; ++i) TellWorkers(engine::EndReports{kWorker, 1});
  for (int i = 0; i < 20; ++i) Submit("x", {.durability = engine::Durability::kMemory});
  Turn();
  EXPECT_THAT(listener.Take<engine::ReportsHandled>(), SizeIs(8));
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(2));
}

TEST_F(BrokerLanesTest, ManyOutcomesAreReadOverManyTurnsAndKeepNobodyWaiting) {
  options.turn_reads_max = 10;
  Start();
  const TaskId ended = RunOne("result");
  listener.heard.clear();
  const int lookups = store.lookups;
  // They are waited for, not dropped, though they are one and the same: cancels ask for each.
  for (int i = 0; i < 1'000; ++i) Tell(engine::Cancel{.call = kClient, .task = ended});
  Turn();
  EXPECT_LE(store.lookups - lookups, 10);
  lane = Lane::kQuestions;
  Post(AwaitTask{kOther, ended});
  Turn();
  Turn();
  EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(1));  // among the first
  EXPECT_LE(store.lookups - lookups, 30);
  for (int turns = 0; turns < 100; ++turns) Turn();
  EXPECT_THAT(listener.Take<engine::CancelDone>(), SizeIs(1'000));
}

TEST_F(BrokerLanesTest, WhoLeavesIsNotReadFor) {
  options.turn_reads_max = 1;
  Start();
  const TaskId ended = RunOne("result");
  listener.heard.clear();
  for (int i = 0; i < 100; ++i) Tell(engine::Cancel{.call = kClient, .task = ended});
  Turn();
  Tell(engine::CallClosed{kClient});
  const int lookups = store.lookups;
  Turn();
  EXPECT_EQ(store.lookups, lookups);
  EXPECT_GT(broker->NextDeadline(), clock.now_ms);
}

TEST_F(BrokerLanesTest, LargeOutcomesAreReadAFewInEachTurn) {
  options.turn_bytes_max = 10'000;
  Start();
  const TaskId ended = RunOne(std::string(6'000, 'x'));
  for (uint64_t call = 100; call < 110; ++call) Post(AwaitTask{engine::CallId{call}, ended});
  listener.heard.clear();
  Turn();
  for (int turns = 0; turns < 5; ++turns) {
    Turn();
    EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(2));
  }
}

TEST_F(BrokerLanesTest, OnADiskThatHangsWhatNeedsNoDiskGoesOn) {
  store.writes_behind = true;
  Start();
  const engine::Lease lease = RunningTask();
  Submit("safe");
  Submit("written", {.durability = engine::Durability::kWritten});
  Tell(engine::OpenSession{engine::CallId{7}});
  Turn();
  // From here on nothing returns.
  Submit("quick", {.durability = engine::Durability::kMemory});
  for (int i = 0; i < 100; ++i) {
    TellWorkers(engine::Heartbeat{kWorker});
    PassQuietly(200);
  }
  EXPECT_TRUE(IsRunning(lease.task));
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  const auto opened = listener.Take<engine::SessionOpened>();
  ASSERT_THAT(opened, SizeIs(1));
  engine::Submit in_session{.call = engine::CallId{7}, .item = 1, .id = {opened[0].session, 1}};
  in_session.sequenced = true;
  in_session.spec = {.queue = "mail", .type = "send", .durability = engine::Durability::kMemory};
  Tell(std::move(in_session));
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  TellWorkers(engine::AttachWorker{.call = engine::CallId{8}, .worker_id = "new"});
  bool found = false;
  lane = Lane::kQuestions;
  Post(AskQuery{kOther, Query([&](const View& view) {
                  return Answer(
                      [&found, is = view.engine.FindTask(lease.task).has_value()] { found = is; });
                })});
  Turn();
  EXPECT_TRUE(found);
  EXPECT_THAT(listener.Take<engine::WorkerAttached>(), SizeIs(1));
  store.FinishWrite();
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  store.FinishSync();
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
}

TEST_F(BrokerLanesTest, WhoWaitsForTheDiskIsFoundAndNobodyElse) {
  enum Caller : uint64_t {
    kSafe = 50,
    kQuick,
    kAwaits,
    kAwaitsEnded,
    kAsks,
    kKeyed,
    kPolls,
    kHeld
  };
  const auto call = [](Caller caller) { return engine::CallId{caller}; };
  std::vector<Caller> waiting;
  const auto find = [&] {
    waiting.clear();
    broker->FindWaiting([&](const std::vector<engine::CallId>& calls) {
      for (const engine::CallId one : calls) {
        const auto caller = static_cast<Caller>(one);
        if (caller >= kSafe) waiting.push_back(caller);
      }
    });
    Turn();
  };
  store.writes_behind = true;
  options.unsynced_bytes_max = 1'000'000;
  Start();
  const engine::Lease lease = RunningTask();
  const TaskId awaited = Submit("other");
  TurnAndSync();
  find();
  EXPECT_THAT(waiting, IsEmpty());
  // From here on nothing returns.
  store.hold_reads = true;
  Submit("safe", {}, 0, call(kSafe));
  Submit("quick", {.durability = engine::Durability::kMemory}, 0, call(kQuick));
  engine::TaskSpec keyed;
  keyed.request_key = "key";
  Submit("keyed", keyed, 0, call(kKeyed));
  Post(AwaitTask{call(kAwaits), awaited});
  Post(AwaitTask{call(kAwaitsEnded), lease.task});
  TellWorkers(engine::PollTasks{
      .call = call(kPolls), .queues = {"none"}, .worker_name = "w", .wait_ms = 60'000});
  int answered = 0;
  Post(AskQuery{call(kAsks), Query([&](const View&) {
                  return Look([&](StoredTasks&) { return Answer([&] { ++answered; }); });
                })});
  Turn();
  TellWorkers(engine::EndAttempt{.call = kWorker, .token = lease.token}, Bytes("result"));
  Turn();
  find();
  EXPECT_THAT(waiting, testing::UnorderedElementsAre(kSafe, kKeyed, kAwaitsEnded, kAsks));
  // Too much waits: what clients send stays where it is.
  store.unwritten_bytes = 2'000'000;
  Submit("held", {.durability = engine::Durability::kMemory}, 0, call(kHeld));
  find();
  EXPECT_THAT(waiting, testing::UnorderedElementsAre(kSafe, kKeyed, kAwaitsEnded, kAsks, kHeld));
  store.unwritten_bytes = 0;
  store.hold_reads = false;
  store.FinishReads();
  Turn();
  store.FinishWrite();
  TurnAndSync();
  find();
  EXPECT_THAT(waiting, IsEmpty());
}

TEST_F(BrokerLanesTest, ALeaseIsGivenWhenItsRowIsWrittenAlsoOfATaskInMemoryOnly) {
  store.writes_behind = true;
  Start();
  Submit("quick", {.durability = engine::Durability::kMemory});
  lane = Lane::kWorkers;
  Attach(1);
  Turn();
  EXPECT_THAT(TakeLeases(), IsEmpty());
  store.FinishWrite();
  Turn();
  EXPECT_THAT(TakeLeases(), SizeIs(1));
}

// A unary worker whose answer waits for the disk can say nothing more meanwhile.
TEST_F(BrokerLanesTest, ALeaseDoesNotRunOutWhileTheDiskKeepsItsHolderWaiting) {
  store.writes_behind = true;
  Start();
  Submit("payload");
  TellWorkers(engine::PollTasks{
      .call = kOther, .queues = {"mail"}, .worker_name = "w", .lease_ms = 2'000, .wait_ms = 0});
  Turn();
  for (int i = 0; i < 50; ++i) {
    Submit("quick", {.queue = "other", .durability = engine::Durability::kWritten});
    PassQuietly(200);
    store.FinishWrite();  // syncs hang, writes do not
  }
  EXPECT_THAT(TakeLeases(), IsEmpty());
  store.FinishSync();
  Turn();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  store.FinishWrite();
  store.FinishSync();
  Turn();
  PassQuietly(1'200);
  EXPECT_TRUE(IsRunning(leases[0].lease.task));
  PassQuietly(1'000);
  EXPECT_FALSE(IsRunning(leases[0].lease.task));
}

TEST_F(BrokerLanesTest, ADiskThatDoesNotKeepUpHoldsBackClientsFirstAndQuestionsNever) {
  options.unsynced_bytes_max = 1'000;
  store.writes_behind = true;
  Start();
  RunningTask();
  store.unwritten_bytes = 1'500;
  Submit("x", {.durability = engine::Durability::kMemory});
  TellWorkers(engine::EndReports{kWorker, 1});
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), IsEmpty());
  EXPECT_THAT(listener.Take<engine::ReportsHandled>(), SizeIs(1));
  store.unwritten_bytes = 2'500;
  TellWorkers(engine::EndReports{kWorker, 2});
  int answered = 0;
  lane = Lane::kQuestions;
  Post(AskQuery{kOther, Query([&](const View&) { return Answer([&] { ++answered; }); })});
  PassQuietly(10'000);
  EXPECT_EQ(answered, 1);
  EXPECT_THAT(listener.Take<engine::ReportsHandled>(), IsEmpty());
  store.unwritten_bytes = 0;
  Turn();
  EXPECT_THAT(listener.Take<engine::ReportsHandled>(), SizeIs(1));
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
}

// Whoever asks, and whoever submits, makes more of what waits to be sent; a worker's report gives
// back what it holds.
TEST_F(BrokerLanesTest, AnOutboxThatIsFullHoldsBackClientsAndQuestionsButNoWorker) {
  const engine::Lease lease = RunningTask();
  const TaskId ended = Submit("cancelled", {.queue = "other"});
  Tell(engine::Cancel{.call = kClient, .task = ended});
  for (int turns = 0; turns < 3; ++turns) TurnAndSync();
  listener.heard.clear();
  listener.is_full = true;
  Submit("x", {.durability = engine::Durability::kMemory});
  lane = Lane::kQuestions;
  Post(AwaitTask{kOther, ended});
  TellWorkers(engine::Heartbeat{kWorker});
  TellWorkers(engine::EndReports{kWorker, 1});
  PassQuietly(900);
  EXPECT_THAT(listener.Take<engine::Submitted>(), IsEmpty());
  EXPECT_THAT(listener.Take<OutcomeReady>(), IsEmpty());
  EXPECT_THAT(listener.Take<engine::ReportsHandled>(), SizeIs(1));
  EXPECT_TRUE(IsRunning(lease.task));
  listener.is_full = false;
  broker->GoOn();
  for (int turns = 0; turns < 3; ++turns) TurnAndSync();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(1));
}

// What was taken before it was full is read when it is so no more: what is read must be sent.
TEST_F(BrokerLanesTest, QuestionsThatWereTakenAreNotReadForAnOutboxThatIsFull) {
  options.turn_reads_max = 1;
  Start();
  const TaskId ended = RunOne("result");
  listener.heard.clear();
  for (int i = 0; i < 10; ++i) Tell(engine::Cancel{.call = kClient, .task = ended});
  Turn();
  listener.is_full = true;
  for (int turns = 0; turns < 5; ++turns) Turn();
  const int lookups = store.lookups;
  listener.heard.clear();
  for (int turns = 0; turns < 20; ++turns) Turn();
  EXPECT_EQ(store.lookups, lookups);
  listener.is_full = false;
  broker->GoOn();
  for (int turns = 0; turns < 20; ++turns) Turn();
  EXPECT_GT(store.lookups, lookups);
}

TEST_F(BrokerLanesTest, AWriteThatFailsIsTheStoresError) {
  store.writes_behind = true;
  Start();
  Submit("payload");
  Turn();
  store.FailWrite();
  EXPECT_TRUE(absl::IsDataLoss(broker->Turn().status()));
}

TEST_F(BrokerLanesTest, WhoWaitsForManyReadsHoldsUpNoQuestion) {
  options.pending_reads_max = 10;
  options.turn_requests_max = 5;
  Start();
  store.hold_reads = true;
  for (uint64_t i = 1; i <= 2'000; ++i) {
    Tell(engine::Cancel{.call = kClient, .task = TaskId{77, i}});
  }
  for (int turns = 0; turns < 300; ++turns) Turn();
  Submit("x", {.durability = engine::Durability::kMemory});
  int answered = 0;
  lane = Lane::kQuestions;
  Post(AskQuery{kOther, Query([&](const View&) { return Answer([&] { ++answered; }); })});
  Turn();
  EXPECT_EQ(answered, 1);
  EXPECT_THAT(listener.Take<engine::Submitted>(), IsEmpty());
}

// The write returns between the turn that left the clients out and the wait for what comes next.
TEST_F(BrokerLanesTest, AWriteThatReturnsAfterATurnWakesWhoWasLeftOut) {
  options.unsynced_bytes_max = 1'000;
  options.turn_requests_max = 1;
  options.listen_ms = 60'000;
  store.writes_behind = store.sync_at_once = true;
  Start();
  store.FinishWrite();
  for (int i = 0; i < 2; ++i) Submit("x", {.durability = engine::Durability::kMemory});
  listener.heard.clear();
  int asked = 0;  // after the first was accepted; a turn asks twice
  store.ask_unwritten = [&]() -> int64_t {
    if (listener.heard.empty()) return 0;
    if (listener.heard.size() == 2) broker->Stop();
    if (++asked == 3) store.FinishWrite();
    return asked < 3 ? 1'500 : 0;
  };
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(broker->Run().ok());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(50));
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(2));
}

TEST_F(BrokerLanesTest, WhatWasPostedBeforeAStopIsDoneThoughTheOutboxIsFull) {
  store.sync_at_once = true;
  int asked = 0;
  listener.ask_full = [&] {
    if (++asked == 5) broker->GoOn();
    return asked < 5;
  };
  Submit("x", {.durability = engine::Durability::kMemory});
  broker->Stop();
  EXPECT_TRUE(broker->Run().ok());
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
}

TEST_F(BrokerLanesTest, WhatWasPostedBeforeAStopIsDoneThoughItWaitsForItsKey) {
  store.sync_at_once = store.hold_reads = true;
  Submit("x", {.durability = engine::Durability::kMemory, .request_key = "key", .digest = {1, 2}});
  broker->Stop();
  int asked = 0;
  store.ask_unwritten = [&]() -> int64_t {
    if (++asked == 10) store.FinishReads();
    return 0;
  };
  EXPECT_TRUE(broker->Run().ok());
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
}

}  // namespace
}  // namespace treadle::broker
