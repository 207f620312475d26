// Turns: what leaves when, what a failure and a restart do.
#include <thread>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using engine::Durability;
using testing::IsEmpty;
using testing::SizeIs;

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

TEST_F(BrokerTest, WhenTooMuchIsUnsyncedClientsWaitUntilASyncReturns) {
  options.unsynced_bytes_max = 1;
  Start();
  Submit("one");
  Turn();
  Submit("two");
  const store::Sequence before = store.appended;
  Turn();
  EXPECT_EQ(store.appended, before);
  store.FinishSync();
  Turn();
  EXPECT_GT(store.appended, before);
}

TEST_F(BrokerTest, AStateIsTheSameAfterARestart) {
  RunOne("result");
  Submit("waits");
  Submit("key", {.request_key = "once", .digest = {1, 2}});
  TurnAndSync();
  ASSERT_THAT(TakeLeases(), IsEmpty());
  const int64_t unfinished = broker->engine().Totals().unfinished_tasks;
  const TaskId before = broker->NewTaskIds(1);
  Start();
  EXPECT_EQ(broker->engine().Totals().unfinished_tasks, unfinished);
  EXPECT_GT(broker->NewTaskIds(1).session, before.session);
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
  // The fixture's incarnation is always the same, as a clock's that stands still.
  EXPECT_GT(static_cast<uint64_t>(TakeLeases().at(0).lease.token),
            static_cast<uint64_t>(before) + (uint64_t{1} << 23));
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
  ASSERT_TRUE(running.Recover(engine::Incarnation{1}, [](int64_t) {}).ok());
  std::thread loop([&] { EXPECT_TRUE(running.Run().ok()); });
  for (int i = 0; i < 100; ++i) {
    engine::Submit submit{.call = kClient, .id = running.NewTaskIds(1)};
    submit.spec.queue = "mail";
    submit.spec.type = "send";
    submit.spec.payload_bytes = 1;
    ASSERT_TRUE(
        running.Post(Lane::kClients, Request{engine::Command(std::move(submit)), Bytes("x")}).ok());
  }
  running.Stop();
  loop.join();
  EXPECT_THAT(listener.Take<engine::Submitted>(), SizeIs(100));
  EXPECT_TRUE(absl::IsUnavailable(
      running.Post(Lane::kClients, Request{engine::Command(engine::Heartbeat{}), {}})));
}

}  // namespace
}  // namespace treadle::broker
