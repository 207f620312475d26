#include "server/broker/broker.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/broker/held_store.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using engine::Durability;
using testing::IsEmpty;
using testing::SizeIs;

class Listener final : public Outbox {
 public:
  void Release(std::vector<Delivery> deliveries) override {
    for (Delivery& delivery : deliveries) {
      if (auto* answer = std::get_if<Answer>(&delivery)) {
        (*answer)();
      } else {
        heard.push_back(std::move(delivery));
      }
    }
  }
  // Takes those of one kind out.
  template <typename Event>
  std::vector<Event> Take() {
    std::vector<Event> events;
    std::erase_if(heard, [&](Delivery& delivery) {
      auto* event = std::get_if<Event>(&delivery);
      if (event != nullptr) events.push_back(std::move(*event));
      return event != nullptr;
    });
    return events;
  }
  std::vector<Delivery> heard;
};

BodyPtr Bytes(std::string bytes) {
  return std::make_shared<const Body>(Body{.bytes = std::move(bytes), .content_type = "text"});
}

constexpr CallId kClient{1};
constexpr CallId kWorker{2};
constexpr CallId kOther{3};

class BrokerTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start() {
    broker = std::make_unique<Broker>(options, clock, store, listener);
    ASSERT_TRUE(broker->Recover([](int64_t) {}).ok());
    store.FinishSync();
    Turn();
  }

  void Post(Action action, BodyPtr body = nullptr) {
    ASSERT_TRUE(broker->Post(Request{std::move(action), std::move(body)}).ok());
  }
  void Tell(engine::Command command, BodyPtr body = nullptr) {
    Post(std::move(command), std::move(body));
  }
  void Turn() {
    const absl::StatusOr<bool> done = broker->Turn();
    ASSERT_TRUE(done.ok()) << done.status();
  }
  // A turn, and the sync that it asked for.
  void TurnAndSync() {
    Turn();
    store.FinishSync();
    Turn();
  }

  TaskId Submit(std::string payload, engine::TaskSpec spec = {}, int64_t wait_ms = 0,
                CallId call = kClient) {
    const TaskId id = broker->NewTaskId();
    if (spec.queue.empty()) spec.queue = "mail";
    spec.type = "send";
    spec.payload_bytes = payload.size();
    Tell(
        engine::Submit{
            .call = call, .item = id.sequence, .id = id, .spec = spec, .wait_if_full_ms = wait_ms},
        Bytes(std::move(payload)));
    return id;
  }

  uint64_t OpenSession() {
    Tell(engine::OpenSession{kClient});
    TurnAndSync();
    const auto opened = listener.Take<engine::SessionOpened>();
    EXPECT_THAT(opened, SizeIs(1));
    return opened.at(0).session;
  }

  // One task of room, and one task in it.
  void FillQueue() {
    Tell(engine::CreateQueue{kOther, {"mail", engine::Discipline::kFifo, 1, 1'000}});
    Submit("first", {}, 0, kOther);
  }

  // A session's submit, into a queue that is full.
  void SubmitWaiting(TaskId id, std::string payload, Durability durability = Durability::kSynced) {
    engine::Submit submit{.call = kClient, .item = id.sequence, .id = id};
    submit.sequenced = true;
    submit.wait_if_full_ms = 60'000;
    submit.spec.queue = "mail";
    submit.spec.type = "send";
    submit.spec.durability = durability;
    submit.spec.payload_bytes = payload.size();
    Tell(std::move(submit), Bytes(std::move(payload)));
  }

  void Attach(int32_t credit) {
    Tell(engine::AttachWorker{.call = kWorker,
                              .worker_id = "w",
                              .queues = {"mail"},
                              .pools = {engine::PoolSpec{"thread", 4, {}}}});
    Tell(engine::AddCredit{kWorker, 0, credit});
  }

  void Succeed(const engine::Lease& lease, std::string result) {
    Tell(engine::EndAttempt{.call = kWorker, .task = lease.task, .token = lease.token},
         Bytes(std::move(result)));
  }

  std::vector<LeasedTask> TakeLeases() {
    std::vector<LeasedTask> tasks;
    for (Leased& leased : listener.Take<Leased>()) {
      for (LeasedTask& task : leased.tasks) tasks.push_back(std::move(task));
    }
    return tasks;
  }

  // Submits one task, and runs it.
  TaskId RunOne(const std::string& result) {
    const TaskId id = Submit("payload");
    Attach(1);
    TurnAndSync();
    const std::vector<LeasedTask> leases = TakeLeases();
    EXPECT_THAT(leases, SizeIs(1));
    Succeed(leases.at(0).lease, result);
    TurnAndSync();
    return id;
  }

  BrokerOptions options;
  TestClock clock;
  HeldStore store{clock};
  Listener listener;
  std::unique_ptr<Broker> broker;
};

TEST_F(BrokerTest, ASubmitIsAcknowledgedOnlyWhenItIsSynced) {
  const TaskId id = Submit("payload");
  const int before = store.syncs_requested;
  Turn();
  EXPECT_EQ(store.syncs_requested, before + 1);
  EXPECT_THAT(listener.heard, IsEmpty());
  store.FinishSync();
  Turn();
  const auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_TRUE(answers[0].status.ok());
  EXPECT_EQ(answers[0].id, id);
}

TEST_F(BrokerTest, AWeakerDurabilityDoesNotWaitForTheDisk) {
  Submit("payload", {.durability = Durability::kWritten});
  const int before = store.syncs_requested;
  Turn();
  EXPECT_EQ(store.syncs_requested, before);
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
}

TEST_F(BrokerTest, TurnsGoOnWhileASyncIsUnderWay) {
  Submit("one");
  Turn();
  const store::Sequence first = store.appended;
  Submit("two");
  Submit("three");
  Turn();
  EXPECT_THAT(listener.heard, IsEmpty());
  store.FinishSync(first);
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  store.FinishSync();
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(2));
}

TEST_F(BrokerTest, WhenTooMuchIsUnsyncedNoTurnRunsUntilASyncReturns) {
  options.unsynced_bytes_max = 1;
  Start();
  Submit("one");
  Turn();
  Submit("two");
  const store::Sequence before = store.appended;
  Turn();
  EXPECT_EQ(store.appended, before);
  EXPECT_EQ(broker->NextDeadline(), INT64_MAX);
  store.FinishSync();
  Turn();
  EXPECT_GT(store.appended, before);
}

TEST_F(BrokerTest, ATaskDispatchedAtOnceIsNotReadBack) {
  Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(leases[0].body->bytes, "payload");
  EXPECT_EQ(leases[0].body->content_type, "text");
  EXPECT_EQ(store.gets, 0);
}

TEST_F(BrokerTest, WhatTheCacheHasDroppedIsReadBack) {
  options.payload_cache_bytes_max = 0;
  Start();
  Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(leases[0].body->bytes, "payload");
  EXPECT_GT(store.gets, 0);
}

TEST_F(BrokerTest, ASubmitThatWaitsForRoomKeepsItsPayload) {
  Tell(engine::CreateQueue{kOther, {"mail", engine::Discipline::kFifo, 1, 1'000}});
  Submit("first");
  const TaskId second = Submit("second", {}, /*wait_ms=*/60'000);
  TurnAndSync();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  Attach(2);
  TurnAndSync();
  const auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].id, second);
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(leases[1].body->bytes, "second");
}

TEST_F(BrokerTest, BeyondTheBoundOfParkedBytesSubmitsDoNotWait) {
  options.parked_bytes_max = 0;
  Start();
  Tell(engine::CreateQueue{kOther, {"mail", engine::Discipline::kFifo, 1, 1'000}});
  Submit("first");
  Submit("second", {}, /*wait_ms=*/60'000);
  Submit("third", {}, /*wait_ms=*/60'000);
  TurnAndSync();
  const auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_TRUE(absl::IsResourceExhausted(answers[0].status)) << answers[0].status;
  EXPECT_TRUE(answers[1].status.ok());
}

TEST_F(BrokerTest, AnOutcomeIsToldToWhoAwaitsIt) {
  const TaskId id = Submit("payload");
  Attach(1);
  Post(AwaitTask{kOther, id});
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
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
  EXPECT_EQ(outcomes[0].result->bytes, "result");
}

TEST_F(BrokerTest, AwaitingATaskThatHasEndedFindsItsStoredOutcome) {
  const TaskId id = RunOne("result");
  Post(AwaitTask{kOther, id});
  Turn();
  const auto outcomes = listener.Take<OutcomeReady>();
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(outcomes[0].result->bytes, "result");
  EXPECT_EQ(outcomes[0].row->id, id);
}

TEST_F(BrokerTest, AwaitingATaskThatEndsInTheSameTurn) {
  const TaskId id = Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Succeed(leases[0].lease, "result");
  Post(AwaitTask{kOther, id});
  TurnAndSync();
  EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(1));
  EXPECT_THAT(listener.Take<TaskUnknown>(), IsEmpty());
}

TEST_F(BrokerTest, AwaitingAnUnknownTaskSaysSo) {
  Post(AwaitTask{kOther, TaskId{77, 7}});
  Turn();
  const auto unknown = listener.Take<TaskUnknown>();
  ASSERT_THAT(unknown, SizeIs(1));
  EXPECT_EQ(unknown[0].task, (TaskId{77, 7}));
}

TEST_F(BrokerTest, NobodyIsToldThatATaskIsUnknownWhoWasToldThatItIsAccepted) {
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

TEST_F(BrokerTest, BeyondTheBoundOfWatchersACallIsEnded) {
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

TEST_F(BrokerTest, AWatcherSeesTheTaskNowAndAtEveryChangeAndItsProgress) {
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

  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Post(ReportProgress{kWorker, id, engine::Token{999}, {0.9, "stale"}});
  Post(ReportProgress{kWorker, id, leases[0].lease.token, {0.5, "half"}});
  Turn();
  seen = listener.Take<TaskSeen>();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].progress.message, "half");

  Succeed(leases[0].lease, "result");
  TurnAndSync();
  EXPECT_THAT(listener.Take<OutcomeReady>(), SizeIs(1));
}

TEST_F(BrokerTest, CancellingATaskThatHasEndedIsNoError) {
  const TaskId id = RunOne("result");
  Tell(engine::Cancel{kOther, 0, id});
  Tell(engine::Cancel{kOther, 1, TaskId{77, 7}});
  TurnAndSync();
  const auto answers = listener.Take<engine::CancelDone>();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_TRUE(answers[0].status.ok()) << answers[0].status;
  EXPECT_TRUE(absl::IsNotFound(answers[1].status));
}

TEST_F(BrokerTest, AQuestionIsAnsweredWhenWhatItSawIsSafe) {
  const TaskId id = Submit("payload");
  bool answered = false;
  Query query = [&](const View& view) {
    EXPECT_TRUE(view.engine.FindTask(id).has_value());
    return Answer([&] { answered = true; });
  };
  Post(std::move(query));
  Turn();
  EXPECT_FALSE(answered);
  store.FinishSync();
  Turn();
  EXPECT_TRUE(answered);
}

TEST_F(BrokerTest, FinishedTasksAreListedFromTheStore) {
  const TaskId id = RunOne("result");
  std::vector<engine::FinishedRow> rows;
  Query query = [&](const View& view) {
    TaskId after;
    bool done = false;
    rows = view.ListFinished(10, after, done, [](const engine::FinishedRow&) { return true; });
    EXPECT_TRUE(done);
    return Answer([] {});
  };
  Post(std::move(query));
  Turn();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].id, id);
}

TEST_F(BrokerTest, ARequestKeyIsKnownWhenItsTaskHasEnded) {
  const engine::TaskSpec spec{.request_key = "once", .digest = {1, 2}};
  const TaskId first = Submit("payload", spec);
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  Succeed(leases[0].lease, "result");
  TurnAndSync();
  listener.Take<engine::Submitted>();

  Submit("payload", spec);
  Submit("other", {.request_key = "once", .digest = {3, 4}});
  TurnAndSync();
  auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(2));
  if (!answers[0].status.ok()) std::swap(answers[0], answers[1]);  // a refusal need not wait
  EXPECT_TRUE(answers[0].existing);
  EXPECT_EQ(answers[0].id, first);
  EXPECT_TRUE(absl::IsAlreadyExists(answers[1].status)) << answers[1].status;
}

TEST_F(BrokerTest, OnANearlyFullDiskSubmitsAreRefusedAndOutcomesStillFit) {
  Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  listener.Take<engine::Submitted>();
  store.free_bytes = 1;
  clock.now_ms += 2'000;
  Submit("more");
  Succeed(leases[0].lease, "result");
  TurnAndSync();
  const auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_TRUE(absl::IsResourceExhausted(answers[0].status));
  EXPECT_THAT(std::string(answers[0].status.message()), testing::HasSubstr("disk"));
  EXPECT_EQ(broker->engine().Totals().unfinished_tasks, 0);
}

TEST_F(BrokerTest, OnANearlyFullDiskASubmitThatWaitsAndComesAgainKeepsItsPayload) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "second");
  TurnAndSync();
  store.free_bytes = 1;
  clock.now_ms += 2'000;
  SubmitWaiting({session, 1}, "second");
  Attach(2);
  TurnAndSync();
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(leases[1].body->bytes, "second");
}

TEST_F(BrokerTest, ASequenceThatWaitsKeepsItsPayloadThoughItWasAcknowledgedAndComesAgain) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "second");
  Tell(engine::AcknowledgeSession{kClient, 2});
  SubmitWaiting({session, 1}, "second");
  TurnAndSync();
  Attach(2);
  TurnAndSync();
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(leases[1].body->bytes, "second");
}

TEST_F(BrokerTest, ASequenceThatIsWithdrawnAndComesAgainInTheSameTurnKeepsItsPayload) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "withdrawn");
  Tell(engine::Cancel{kClient, 0, {session, 1}});
  SubmitWaiting({session, 1}, "second");
  TurnAndSync();
  Attach(2);
  TurnAndSync();
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(leases[1].body->bytes, "second");
}

TEST_F(BrokerTest, BeyondTheBoundOfParkedBytesWhatWaitsAndComesAgainGoesOnWaiting) {
  options.parked_bytes_max = 1;
  Start();
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "second");
  SubmitWaiting({session, 1}, "second");
  Turn();
  for (const engine::Submitted& answer : listener.Take<engine::Submitted>()) {
    EXPECT_TRUE(answer.status.ok()) << answer.status;
  }
  Attach(2);
  TurnAndSync();
  TurnAndSync();
  EXPECT_THAT(TakeLeases(), SizeIs(2));
}

TEST_F(BrokerTest, AStateIsTheSameAfterARestart) {
  RunOne("result");
  Submit("waits");
  Submit("key", {.request_key = "once", .digest = {1, 2}});
  TurnAndSync();
  ASSERT_THAT(TakeLeases(), IsEmpty());
  const int64_t unfinished = broker->engine().Totals().unfinished_tasks;
  const TaskId before = broker->NewTaskId();
  Start();
  EXPECT_EQ(broker->engine().Totals().unfinished_tasks, unfinished);
  EXPECT_GT(broker->NewTaskId().session, before.session);
  broker->engine().CheckInvariants();
}

TEST_F(BrokerTest, TokensOfALaterRunAreGreaterThoughACounterWasLost) {
  Submit("payload", {.durability = Durability::kMemory});
  Attach(1);
  Turn();
  const engine::Token before = TakeLeases().at(0).lease.token;
  Start();
  Submit("payload");
  Attach(1);
  TurnAndSync();
  EXPECT_GT(static_cast<uint64_t>(TakeLeases().at(0).lease.token),
            static_cast<uint64_t>(before) + (uint64_t{1} << 30));
}

TEST_F(BrokerTest, AFailedAppendStopsAndSaysNothing) {
  Submit("payload", {.durability = Durability::kMemory});
  store.fail_append = true;
  EXPECT_FALSE(broker->Turn().ok());
  EXPECT_FALSE(broker->Turn().ok());
  EXPECT_THAT(listener.heard, IsEmpty());
}

TEST_F(BrokerTest, AFailedSyncStopsAndReleasesNothing) {
  Submit("payload");
  Turn();
  store.FailSync();
  EXPECT_FALSE(broker->Turn().ok());
  store.FinishSync();
  EXPECT_FALSE(broker->Turn().ok());
  EXPECT_THAT(listener.heard, IsEmpty());
}

TEST_F(BrokerTest, TimeNeverGoesBackForTheEngine) {
  Submit("payload", {.delay_ms = 1'000});
  TurnAndSync();
  clock.now_ms -= 500'000;
  Submit("payload");
  TurnAndSync();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(2));
}

TEST_F(BrokerTest, StopFinishesWhatWasPosted) {
  store::MemoryStore memory(clock);
  Broker running(options, clock, memory, listener);
  ASSERT_TRUE(running.Recover([](int64_t) {}).ok());
  std::thread loop([&] { EXPECT_TRUE(running.Run().ok()); });
  for (int i = 0; i < 100; ++i) {
    engine::Submit submit{.call = kClient, .id = running.NewTaskId()};
    submit.spec.queue = "mail";
    submit.spec.type = "send";
    ASSERT_TRUE(running.Post(Request{engine::Command(std::move(submit)), Bytes("x")}).ok());
  }
  running.Stop();
  loop.join();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(100));
  EXPECT_TRUE(absl::IsUnavailable(running.Post(Request{engine::Command(engine::Heartbeat{}), {}})));
}

}  // namespace
}  // namespace treadle::broker
