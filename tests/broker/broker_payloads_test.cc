// Where payloads are kept: of tasks that wait to be dispatched, and of submits that wait for room.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using testing::SizeIs;

class BrokerPayloadsTest : public BrokerTest {
 protected:
  // Of two tasks, the second of which waits for the first one's room.
  void ExpectSecondPayloadIsKept() {
    Attach(2);
    TurnAndSync();
    TurnAndSync();
    const std::vector<LeasedTask> leases = TakeLeases();
    ASSERT_THAT(leases, SizeIs(2));
    EXPECT_EQ(leases[1].body->bytes, "second");
  }
};

TEST_F(BrokerPayloadsTest, ATaskDispatchedAtOnceIsNotReadBack) {
  Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedTask> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(leases[0].body->bytes, "payload");
  EXPECT_EQ(leases[0].body->content_type, "text");
  EXPECT_EQ(store.gets, 0);
}

TEST_F(BrokerPayloadsTest, WhatTheCacheHasDroppedIsReadBack) {
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

TEST_F(BrokerPayloadsTest, ASubmitThatWaitsForRoomKeepsItsPayload) {
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

TEST_F(BrokerPayloadsTest, BeyondTheBoundOfParkedBytesSubmitsDoNotWait) {
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

TEST_F(BrokerPayloadsTest, OnANearlyFullDiskSubmitsAreRefusedAndOutcomesStillFit) {
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

TEST_F(BrokerPayloadsTest, OnANearlyFullDiskASubmitThatWaitsAndComesAgainKeepsItsPayload) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "second");
  TurnAndSync();
  store.free_bytes = 1;
  clock.now_ms += 2'000;
  SubmitWaiting({session, 1}, "second");
  ExpectSecondPayloadIsKept();
}

TEST_F(BrokerPayloadsTest, ASequenceThatWaitsKeepsItsPayloadThoughItWasAcknowledgedAndComesAgain) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "second");
  Tell(engine::AcknowledgeSession{kClient, 2});
  SubmitWaiting({session, 1}, "second");
  TurnAndSync();
  ExpectSecondPayloadIsKept();
}

TEST_F(BrokerPayloadsTest, ASequenceThatIsWithdrawnAndComesAgainInTheSameTurnKeepsItsPayload) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "withdrawn");
  Tell(engine::Cancel{kClient, 0, {session, 1}});
  SubmitWaiting({session, 1}, "second");
  TurnAndSync();
  ExpectSecondPayloadIsKept();
}

TEST_F(BrokerPayloadsTest, BeyondTheBoundOfParkedBytesWhatWaitsAndComesAgainGoesOnWaiting) {
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

}  // namespace
}  // namespace treadle::broker
