// What is read from the store: off the broker's thread, and in order all the same.
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "server/broker/stored_tasks.h"
#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Nothing is cached, and the disk is as slow as a test wants it.
class BrokerReadsTest : public BrokerTest {
 protected:
  void SetUp() override {
    options.payload_cache_bytes_max = 0;
    BrokerTest::SetUp();
    store.hold_reads = true;
  }

  // Whatever follows from what was read.
  void ReadAndTurn() {
    store.FinishReads();
    TurnAndSync();
  }

  TaskId SubmitWithKey(CallId call, const std::string& key) {
    return Submit("payload", {.request_key = key, .digest = {1, 2}}, 0, call);
  }
};

TEST_F(BrokerReadsTest, APayloadThatIsSlowToReadHoldsUpNobodyElse) {
  Submit("payload");
  Attach(1);
  TurnAndSync();
  EXPECT_THAT(TakeLeases(), IsEmpty());
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  Submit("other", {.queue = "others"});
  TurnAndSync();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(1));
  ReadAndTurn();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(BytesIn(leases[0].payload), "payload");
}

TEST_F(BrokerReadsTest, LeasesAndStopsOfACallComeInOrder) {
  const TaskId first = Submit("first");
  Attach(1);
  TurnAndSync();
  const TaskId second = Submit("second");
  Tell(engine::AddCredit{kWorker, 0, 1});
  Tell(engine::Cancel{kOther, 0, first});
  TurnAndSync();
  EXPECT_THAT(listener.Take<engine::StopAttempt>(), IsEmpty());
  store.FinishReads();
  Turn();
  std::vector<std::string> heard;
  for (const Delivery& delivery : listener.heard) {
    if (const auto* leased = std::get_if<Leased>(&delivery)) {
      for (const LeasedRun& task : leased->runs) heard.emplace_back(BytesIn(task.payload));
    } else if (std::holds_alternative<engine::StopAttempt>(delivery)) {
      heard.push_back("stop");
    }
  }
  EXPECT_THAT(heard, testing::AnyOf(ElementsAre("first", "second", "stop"),
                                    ElementsAre("first", "stop", "second")));
  EXPECT_NE(first, second);
}

// The worker counts what it has granted: a lease that it never hears of must not use it up.
TEST_F(BrokerReadsTest, ALeaseThatEndsBeforeItsPayloadIsReadCostsNoCredit) {
  Submit("first", {.deadline_at_ms = clock.now_ms + 100});
  Attach(1);
  TurnAndSync();
  clock.now_ms += 200;
  TurnAndSync();
  ReadAndTurn();
  EXPECT_THAT(TakeLeases(), IsEmpty());
  Submit("second");
  TurnAndSync();
  ReadAndTurn();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(BytesIn(leases[0].payload), "second");
}

TEST_F(BrokerReadsTest, ALeaseWhoseCallIsOverIsForgotten) {
  const TaskId task = Submit("payload");
  Tell(engine::PollTasks{.call = kWorker,
                         .queues = {"mail"},
                         .worker_name = "w",
                         .lease_ms = 1'000,
                         .wait_ms = 1'000});
  TurnAndSync();
  Tell(engine::CallClosed{kWorker});
  TurnAndSync();
  ReadAndTurn();
  EXPECT_THAT(TakeLeases(), IsEmpty());
  EXPECT_TRUE(broker->engine().FindTask(task).has_value());
}

TEST_F(BrokerReadsTest, OutcomesAreReadOffTheBrokersThread) {
  store.hold_reads = false;
  const TaskId ended = RunOne("result");
  TurnAndSync();
  TurnAndSync();
  for (const LeasedRun& leased : TakeLeases()) Succeed(leased.lease, "result");
  TurnAndSync();
  ASSERT_FALSE(broker->engine().FindTask(ended).has_value());
  listener.heard.clear();
  store.hold_reads = true;
  const int lookups = store.lookups;
  Post(AwaitTask{kOther, ended});
  Tell(engine::Cancel{.call = kClient, .task = ended});
  Post(AwaitTask{CallId{77}, TaskId{9, 9}});
  TurnAndSync();
  EXPECT_EQ(store.lookups, lookups);
  EXPECT_THAT(listener.heard, IsEmpty());
  ReadAndTurn();
  const std::vector<OutcomeReady> outcomes = listener.Take<OutcomeReady>();
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_EQ(outcomes[0].call, kOther);
  EXPECT_EQ(BytesIn(outcomes[0].row->body), "result");
  EXPECT_THAT(listener.Take<engine::CancelDone>(), SizeIs(1));
  EXPECT_THAT(listener.Take<TaskUnknown>(), SizeIs(1));
}

// It came while the store was asked about it.
TEST_F(BrokerReadsTest, WhoAwaitsATaskThatComesMeanwhileGoesOnWaiting) {
  const uint64_t session = OpenSession();
  const TaskId task{session, 1};
  Post(AwaitTask{kOther, task});
  Turn();
  ASSERT_EQ(store.reads_held(), 1u);
  engine::Submit submit{.call = kClient, .item = 1, .id = task, .sequenced = true};
  submit.spec.queue = "mail";
  submit.spec.type = "send";
  Tell(std::move(submit), Bytes(""));
  TurnAndSync();
  ReadAndTurn();
  EXPECT_THAT(listener.Take<TaskUnknown>(), IsEmpty());
  Tell(engine::Cancel{.call = kClient, .task = task});
  TurnAndSync();
  EXPECT_THAT(listener.Take<OutcomeReady>(),
              testing::Contains(testing::Field(&OutcomeReady::call, kOther)));
}

TEST_F(BrokerReadsTest, OfABacklogWhatComesNextIsReadAhead) {
  for (int i = 0; i < 50; ++i) Submit("task " + std::to_string(i));
  Attach(1);
  TurnAndSync();
  ReadAndTurn();
  EXPECT_THAT(TakeLeases(), SizeIs(1));
  const int lookups = store.lookups;
  Tell(engine::AddCredit{kWorker, 0, 20});
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(20)) << "without waiting for a read";
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(BytesIn(leases[static_cast<size_t>(i)].payload), "task " + std::to_string(i + 1));
  }
  EXPECT_EQ(store.lookups, lookups);
}

TEST_F(BrokerReadsTest, ASubmitWithAKeyWaitsForTheStoreAndItsCallBehindIt) {
  const TaskId keyed = SubmitWithKey(kClient, "once");
  const TaskId next = Submit("next");
  const TaskId others = Submit("another's", {}, 0, kOther);
  TurnAndSync();
  std::vector<engine::Submitted> answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].id, others);
  ReadAndTurn();
  answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_EQ(answers[0].id, keyed);
  EXPECT_EQ(answers[1].id, next);
  EXPECT_TRUE(answers[0].status.ok() && answers[1].status.ok());
}

TEST_F(BrokerReadsTest, ManySubmitsWithKeysAreLookedUpAtOnce) {
  for (int i = 0; i < 100; ++i) SubmitWithKey(kClient, std::to_string(i));
  Turn();
  EXPECT_EQ(store.reads_held(), 1u);
  ReadAndTurn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(100));
}

TEST_F(BrokerReadsTest, ACallThatEndsTakesItsTurnBehindItsSubmits) {
  const uint64_t session = OpenSession();
  engine::Submit submit{.call = kClient, .item = 1, .id = {session, 1}, .sequenced = true};
  submit.spec.queue = "mail";
  submit.spec.type = "send";
  submit.spec.request_key = "once";
  Tell(std::move(submit), Bytes(""));
  Tell(engine::CallClosed{kClient});
  Turn();
  ReadAndTurn();
  EXPECT_TRUE(broker->engine().FindTask({session, 1}).has_value());
}

// A key was free when it was looked up, and is not any more when it is this submit's turn.
TEST_F(BrokerReadsTest, AKeyThatWasGivenAwaySinceItWasLookedUpIsNotGivenTwice) {
  options.payload_cache_bytes_max = 1'000'000;
  Start();
  const TaskId first = SubmitWithKey(kClient, "once");
  Turn();
  SubmitWithKey(kOther, "another");
  SubmitWithKey(kOther, "once");
  Turn();
  ASSERT_EQ(store.reads_held(), 2u);
  store.FinishRead();
  Attach(1);
  TurnAndSync();
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(leases[0].lease.task, first);
  Succeed(leases[0].lease, "result");
  TurnAndSync();
  ASSERT_FALSE(broker->engine().FindTask(first).has_value());
  listener.Take<engine::Submitted>();
  ASSERT_EQ(store.reads_held(), 1u);
  ReadAndTurn();
  const std::vector<engine::Submitted> answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_FALSE(answers[0].existing);
  EXPECT_TRUE(answers[1].existing);
  EXPECT_EQ(answers[1].id, first);
}

// The broker ends with what the store said: nobody is told of an empty list, an unknown task or a
// free key because the disk could not be read.
class FailingReadsTest : public BrokerReadsTest {
 protected:
  void ExpectStoresError() {
    store.fail_reads = true;
    listener.heard.clear();
    absl::Status ended;
    for (int turns = 0; turns < 5 && ended.ok(); ++turns) {
      ended = broker->Turn().status();
      store.FinishReads();
    }
    EXPECT_THAT(std::string(ended.message()), testing::HasSubstr("EIO")) << ended;
    EXPECT_THAT(listener.heard, IsEmpty());
  }
};

TEST_F(FailingReadsTest, AListIsNotEmptyBecauseItCouldNotBeRead) {
  lane = Lane::kQuestions;
  bool answered = false;
  Post(AskQuery{kOther, Query([&](const View&) {
                  return Look([&](StoredTasks& stored) {
                    for (const bool descending : {false, true}) {
                      const auto page = stored.LookThroughFinished(
                          StoredTasks::kFirstFinished, descending,
                          [](const engine::FinishedRow&) { return true; },
                          [](const engine::FinishedRow&, uint32_t) { return true; });
                      EXPECT_TRUE(absl::IsDataLoss(page.status())) << page.status();
                    }
                    return Answer([&] { answered = true; });
                  });
                })});
  ExpectStoresError();
  EXPECT_FALSE(answered);
}

TEST_F(FailingReadsTest, ATaskIsNotUnknownBecauseItCouldNotBeRead) {
  Post(AwaitTask{kOther, TaskId{9, 9}});
  ExpectStoresError();
}

TEST_F(FailingReadsTest, ACancelIsNotTooLateBecauseItCouldNotBeRead) {
  Tell(engine::Cancel{.call = kClient, .task = TaskId{9, 9}});
  ExpectStoresError();
}

TEST_F(FailingReadsTest, AKeyIsNotFreeBecauseItCouldNotBeRead) {
  SubmitWithKey(kClient, "once");
  ExpectStoresError();
}

TEST_F(FailingReadsTest, ATaskHasNotEndedBecauseItsPayloadCouldNotBeRead) {
  Attach(1);
  TurnAndSync();
  Submit("payload");
  ExpectStoresError();
}

// (The address sanitizer sees what it would touch.)
TEST_F(BrokerReadsTest, WhatIsReadWhenTheBrokerHasGoneTouchesNothingOfIt) {
  Tell(engine::Cancel{.call = kClient, .task = TaskId{77, 1}});
  TurnAndSync();
  ASSERT_EQ(store.reads_held(), 1u);
  broker.reset();
  store.FinishReads();
}

// After a time in which the disk stood still all comes at once.
TEST_F(BrokerReadsTest, WhatFollowsFromReadsIsBoundedInATurn) {
  options.turn_bytes_max = 10'000;
  store.hold_reads = false;
  Start();
  store.hold_reads = true;
  for (uint64_t call = 100; call < 105; ++call) {
    Submit(std::string(6'000, 'x'),
           {.durability = engine::Durability::kMemory,
            .request_key = std::to_string(call),
            .digest = {1, 2}},
           0, CallId{call});
  }
  // And behind one of them more of the same call.
  for (int i = 0; i < 3; ++i) {
    Submit(std::string(6'000, 'x'), {.durability = engine::Durability::kMemory}, 0, CallId{104});
  }
  for (int turns = 0; turns < 10; ++turns) Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), IsEmpty());
  store.FinishReads();
  for (const size_t said : {2, 2, 2, 2, 0}) {
    Turn();
    EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(said));
    EXPECT_EQ(broker->NextDeadline() <= clock.now_ms, said > 0);
  }
}

TEST_F(BrokerReadsTest, WhatFollowsFromReadsIsBoundedInTime) {
  const SlowMachine machine;
  ServiceClock slow(machine);
  HeldStore held(slow);
  Broker timed(options, slow, held, listener);
  ASSERT_TRUE(timed.Recover(engine::Incarnation{1}, [](int64_t) {}).ok());
  held.FinishSync();
  held.hold_reads = true;
  constexpr uint64_t kKeys = 50;
  for (uint64_t key = 1; key <= kKeys; ++key) {
    engine::Submit submit{.call = CallId{key}, .item = key, .id = timed.NewTaskIds(1)};
    submit.spec.queue = "mail";
    submit.spec.type = "send";
    submit.spec.durability = engine::Durability::kMemory;
    submit.spec.request_key = std::to_string(key);
    submit.spec.digest = {1, 2};
    ASSERT_TRUE(
        timed.Post(Lane::kClients, Request{engine::Command(std::move(submit)), nullptr}).ok());
    ASSERT_TRUE(timed.Turn().ok());
  }
  held.FinishReads();
  ASSERT_TRUE(timed.Turn().ok());
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(testing::Lt(kKeys / 2)));
  for (uint64_t turns = 0; turns < 2 * kKeys; ++turns) ASSERT_TRUE(timed.Turn().ok());
  EXPECT_EQ(timed.engine().Totals().unfinished_tasks, static_cast<int64_t>(kKeys));
}

}  // namespace
}  // namespace treadle::broker
