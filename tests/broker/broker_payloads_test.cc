// Where payloads are kept: of tasks that wait to be dispatched, and of submits that wait for room.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "server/broker/row_codec.h"
#include "server/broker/row_key.h"
#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using engine::Durability;
using testing::IsEmpty;
using testing::SizeIs;

class BrokerPayloadsTest : public BrokerTest {
 protected:
  // Of two tasks, the second of which waits for the first one's room.
  void ExpectSecondPayloadIsKept() {
    Attach(2);
    TurnAndSync();
    TurnAndSync();
    const std::vector<LeasedRun> leases = TakeLeases();
    ASSERT_THAT(leases, SizeIs(2));
    EXPECT_EQ(BytesIn(leases[1].payload), "second");
  }
};

TEST_F(BrokerPayloadsTest, ATaskDispatchedAtOnceIsNotReadBack) {
  const int lookups = store.lookups;
  Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(BytesIn(leases[0].payload), "payload");
  EXPECT_EQ(leases[0].payload.body->content_type, "text");
  EXPECT_EQ(store.lookups, lookups);
}

TEST_F(BrokerPayloadsTest, WhatTheCacheHasDroppedIsReadBack) {
  options.payload_cache_bytes_max = 0;
  Start();
  const int lookups = store.lookups;
  Submit("payload");
  Attach(1);
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(BytesIn(leases[0].payload), "payload");
  EXPECT_GT(store.lookups, lookups);
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
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(BytesIn(leases[1].payload), "second");
}

TEST_F(BrokerPayloadsTest, BeyondTheBoundOfWaitingBytesSubmitsDoNotWait) {
  options.waiting_bytes_max = 0;
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
  const std::vector<LeasedRun> leases = TakeLeases();
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

TEST_F(BrokerPayloadsTest, OnANearlyFullDiskASequenceThatWasAcceptedAndIsGoneIsStillAccepted) {
  const uint64_t session = OpenSession();
  engine::Submit submit{.call = kClient, .item = 1, .id = {session, 1}, .sequenced = true};
  submit.spec.queue = "mail";
  submit.spec.type = "send";
  submit.spec.result_ttl_ms = 0;
  Tell(submit);
  Tell(engine::Cancel{kOther, 0, submit.id});
  TurnAndSync();
  ASSERT_EQ(broker->engine().Totals().unfinished_tasks, 0);
  listener.Take<engine::Submitted>();
  store.free_bytes = 1;
  clock.now_ms += 2'000;
  Tell(submit);
  submit.item = submit.id.sequence = 2;
  Tell(submit);
  TurnAndSync();
  const auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(2));
  for (const engine::Submitted& answer : answers) {
    EXPECT_EQ(answer.status.ok(), answer.item == 1) << answer.status;
  }
  EXPECT_EQ(broker->engine().Totals().unfinished_tasks, 0);
}

TEST_F(BrokerPayloadsTest, AnAnswerStatesTheLevelThatItWaitedFor) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "second", Durability::kMemory);
  SubmitWaiting({session, 1}, "second", Durability::kSynced);
  Attach(2);
  TurnAndSync();
  listener.heard.clear();
  SubmitWaiting({session, 1}, "second", Durability::kWritten);
  Turn();
  const auto written = listener.Take<engine::Submitted>();
  ASSERT_THAT(written, SizeIs(1));
  EXPECT_EQ(written[0].durability, Durability::kWritten);
}

TEST_F(BrokerPayloadsTest, WhatWaitedForRoomAndWasAskedForTwiceIsAsSafeAsTheStrongerLevelSays) {
  const uint64_t session = OpenSession();
  FillQueue();
  SubmitWaiting({session, 1}, "second", Durability::kMemory);
  SubmitWaiting({session, 1}, "second", Durability::kSynced);
  TurnAndSync();
  listener.heard.clear();
  Attach(1);
  Turn();
  EXPECT_THAT(listener.Take<engine::Submitted>(), IsEmpty());  // its row is not on the disk
  store.FinishSync();
  Turn();
  const auto answers = listener.Take<engine::Submitted>();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].durability, Durability::kSynced);
}

// A payload that the store has lost is not an empty one.
TEST_F(BrokerPayloadsTest, ATaskWhoseStoredPayloadIsMissingIsDamageAndNotAnEmptyPayload) {
  options.payload_cache_bytes_max = 0;
  Start();
  const TaskId id = Submit("payload");
  TurnAndSync();
  engine::TaskRow row;
  row.id = id;
  row.spec.queue = "mail";
  row.spec.type = "send";
  row.spec.payload_bytes = 7;
  row.order = 1;
  store::WriteBatch batch;
  RowEncoder().Encode(engine::Row(row), batch);
  ASSERT_TRUE(store.Append(batch).ok());
  Attach(1);
  absl::Status status;
  for (int turns = 0; turns < 10 && status.ok(); ++turns) {  // it is read beside the turns
    status = broker->Turn().status();
    store.FinishSync();
  }
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("payload"));
}

// Nothing of a run stays but for what is left of it.
TEST_F(BrokerPayloadsTest, TheLastTaskOfARunKeepsNoneOfTheOthersPayloads) {
  constexpr uint32_t kTasks = 100;
  constexpr uint32_t kBytes = 2'000;
  const TaskId first = broker->NewTaskIds(kTasks);
  engine::Submit run{.call = kClient, .id = first};
  run.spec.queue = "mail";
  run.spec.type = "send";
  std::string payloads;
  for (uint32_t i = 0; i < kTasks; ++i) {
    run.payload_sizes.push_back(kBytes);
    payloads += std::string(kBytes, static_cast<char>('a' + i % 26));
  }
  run.spec.payload_bytes = payloads.size();
  Tell(std::move(run), Bytes(std::move(payloads)));
  Attach(kTasks);
  TurnAndSync();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  ASSERT_EQ(leases[0].lease.tasks, kTasks);
  engine::EndAttempt end{.call = kWorker, .token = leases[0].lease.token};
  end.result_sizes.assign(kTasks - 1, 0);
  Tell(std::move(end));
  const engine::Token last{static_cast<uint64_t>(leases[0].lease.token) + kTasks - 1};
  Tell(engine::EndAttempt{
      .call = kWorker, .token = last, .end = engine::AttemptEnd::kFailed, .error = {.type = "E"}});
  clock.now_ms += options.engine.compaction_after_ms / 2;
  TurnAndSync();
  ASSERT_TRUE(store.Get(TaskRowKey(first)).ok());

  clock.now_ms += options.engine.compaction_after_ms;
  for (int turns = 0; turns < 3; ++turns) TurnAndSync();
  EXPECT_TRUE(absl::IsNotFound(store.Get(TaskRowKey(first)).status()));
  const TaskId left{first.session, first.sequence + kTasks - 1};
  const absl::StatusOr<std::string> row = store.Get(TaskRowKey(left));
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_LT(row->size(), 2 * kBytes);
  EXPECT_EQ(broker->holdings().cached_payloads, 0);

  Attach(1);
  TurnAndSync();
  TurnAndSync();
  const std::vector<LeasedRun> again = TakeLeases();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].lease.task, left);
  EXPECT_EQ(BytesIn(again[0].payload), std::string(kBytes, 'a' + (kTasks - 1) % 26));
  EXPECT_EQ(again[0].payload.body->content_type, "text");
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

TEST_F(BrokerPayloadsTest, BeyondTheBoundOfWaitingBytesWhatWaitsAndComesAgainGoesOnWaiting) {
  options.waiting_bytes_max = 1;
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
