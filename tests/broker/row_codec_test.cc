#include "server/broker/row_codec.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "server/store/expiry.h"
#include "tests/broker/sample_rows.h"
#include "treadle/storage/v1/rows.pb.h"

namespace treadle::broker {
namespace {

using ::testing::HasSubstr;

template <typename RowOrKey>
std::string KeyOf(const RowOrKey& of) {
  std::string key;
  WriteKeyOf(of, key);
  return key;
}

std::string Encoded(engine::Row row, const Body* body = nullptr) {
  const BodyPtr with = body == nullptr ? nullptr : std::make_shared<const Body>(*body);
  if (auto* task = std::get_if<engine::TaskRow>(&row)) {
    task->payload = with == nullptr ? BodyPart() : AllOf(with);
  }
  if (auto* dead = std::get_if<engine::DeadTaskRow>(&row)) {
    dead->task.payload = with == nullptr ? BodyPart() : AllOf(with);
  }
  if (auto* finished = std::get_if<engine::FinishedRow>(&row)) {
    finished->body = with == nullptr ? BodyPart() : AllOf(with);
  }
  store::WriteBatch batch;
  RowEncoder().Encode(row, batch);
  return std::string(*batch[0].value);
}

// Rows have no operator==: equal rows have equal bytes.
void ExpectSameRow(const engine::Row& a, const engine::Row& b) {
  EXPECT_EQ(a.index(), b.index());
  EXPECT_EQ(KeyOf(a), KeyOf(b));
  EXPECT_EQ(Encoded(a), Encoded(b));
}

TEST(RowCodec, EveryKindComesBackAsItWas) {
  RowEncoder encoder;
  RowDecoder decoder;
  for (int round = 0; round < 2; ++round) {  // the second time with used message objects
    for (const engine::Row& row : OneOfEachKind()) {
      store::WriteBatch batch;
      encoder.Encode(row, batch);
      const store::WriteBatch::Change change = batch[0];
      const absl::StatusOr<engine::Row> decoded = decoder.Decode(change.key, *change.value);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      ExpectSameRow(*decoded, row);
    }
  }
}

TEST(RowCodec, TaskComesBackFieldByField) {
  const engine::TaskRow row = SomeTask();
  const absl::StatusOr<engine::Row> decoded = RowDecoder().Decode(KeyOf(row), Encoded(row));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& task = std::get<engine::TaskRow>(*decoded);
  EXPECT_EQ(task.id, row.id);
  EXPECT_EQ(task.spec.queue, "mail");
  EXPECT_EQ(task.spec.type, "send");
  EXPECT_EQ(task.spec.priority, -5);
  EXPECT_EQ(task.spec.run_at_ms, 11);
  EXPECT_EQ(task.spec.deadline_at_ms, 12);
  EXPECT_EQ(task.spec.attempt_timeout_ms, 13);
  EXPECT_EQ(task.spec.result_ttl_ms, 0);
  EXPECT_EQ(task.spec.max_attempts, 7);
  EXPECT_EQ(task.spec.durability, engine::Durability::kWritten);
  EXPECT_EQ(task.spec.payload_bytes, 10u);
  EXPECT_EQ(*task.spec.retry, *row.spec.retry);
  EXPECT_EQ(task.spec.request_key, "once");
  EXPECT_EQ(task.spec.digest, row.spec.digest);
  EXPECT_EQ(task.order, 99u);
  EXPECT_EQ(task.submitted_at_ms, 1'000);
}

TEST(RowCodec, ReusedEncoderLeavesNothingOfTheRowBefore) {
  RowEncoder encoder;
  store::WriteBatch batch;
  encoder.Encode(SomeTask(), batch);
  encoder.Encode(SomeFinished(), batch);
  engine::TaskRow plain;
  engine::FinishedRow succeeded;
  succeeded.queue = succeeded.type = std::make_shared<const std::string>();
  encoder.Encode(plain, batch);
  encoder.Encode(succeeded, batch);
  EXPECT_EQ(*batch[3].value, Encoded(plain));
  EXPECT_EQ(*batch[4].value, Encoded(succeeded));
}

TEST(RowCodec, PayloadAndResultTravelWithTheirRow) {
  const Body body = SomeBody();
  for (const engine::Row& row : {engine::Row(SomeTask()), engine::Row(SomeFinished()),
                                 engine::Row(engine::DeadTaskRow{SomeTask(), 258})}) {
    std::optional<Body> stored;
    const auto decoded = RowDecoder().Decode(KeyOf(row), Encoded(row, &body), &stored);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ExpectSameRow(*decoded, row);
    ASSERT_TRUE(stored.has_value());
    EXPECT_EQ(stored->bytes, body.bytes);
    EXPECT_EQ(stored->content_type, body.content_type);
    EXPECT_EQ(stored->headers, body.headers);
  }
}

TEST(RowCodec, NoBodyIsNotAnEmptyBody) {
  const engine::Row row = SomeFinished();
  const Body empty;
  std::optional<Body> stored = SomeBody();
  ASSERT_TRUE(RowDecoder().Decode(KeyOf(row), Encoded(row), &stored).ok());
  EXPECT_FALSE(stored.has_value());
  ASSERT_TRUE(RowDecoder().Decode(KeyOf(row), Encoded(row, &empty), &stored).ok());
  EXPECT_TRUE(stored.has_value());
}

TEST(RowCodec, ARunComesBackWithItsSizesAndThePartOfTheBodyThatIsItsOwn) {
  engine::TaskRow row = SomeRun();
  row.payload = {std::make_shared<const Body>(Body{.bytes = "before 0123456789 behind"}), 7, 10};
  store::WriteBatch batch;
  RowEncoder().Encode(row, batch);
  std::optional<Body> stored;
  const auto decoded = RowDecoder().Decode(batch[0].key, *batch[0].value, &stored);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<engine::TaskRow>(*decoded).payload_sizes, row.payload_sizes);
  EXPECT_EQ(stored->bytes, "0123456789");
}

TEST(RowCodec, WhatHasEndedOfARunComesBackRangeByRange) {
  const engine::RunRow row{kTask, {{77, 90}, {92, UINT64_MAX}}};
  const auto decoded = RowDecoder().Decode(KeyOf(row), Encoded(row));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<engine::RunRow>(*decoded).id, kTask);
  EXPECT_EQ(std::get<engine::RunRow>(*decoded).finished, row.finished);
}

TEST(RowCodec, OutcomesOfSeveralAreUnderTheLastOnesKey) {
  const Body body = SomeBody();
  const std::string key = KeyOf(SomeOutcomes());
  EXPECT_EQ(key, FinishedRowKey({kTask.session, 80}));
  std::optional<Body> stored;
  const auto decoded = RowDecoder().Decode(key, Encoded(SomeOutcomes(), &body), &stored);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& row = std::get<engine::FinishedRow>(*decoded);
  EXPECT_EQ(row.id, SomeOutcomes().id);
  EXPECT_EQ(row.tasks, 3u);
  EXPECT_EQ(row.payload_sizes, SomeOutcomes().payload_sizes);
  EXPECT_EQ(row.result_sizes, SomeOutcomes().result_sizes);
  EXPECT_EQ(stored->bytes, body.bytes);
}

// A run's row has others' payloads as well, and that of a dead letter is to be moved.
TEST(RowCodec, ATaskRowThatStaysIsNotDeleted) {
  engine::FinishedRow row = SomeFinished();
  row.task_row_stays = true;
  store::WriteBatch batch;
  RowEncoder().Encode(row, batch);
  EXPECT_EQ(batch.size(), 1u);
}

TEST(RowCodec, HandWrittenBodyIsTheStorageMessage) {
  const Body body = SomeBody();
  const std::string value = Encoded(SomeTask(), &body);
  storage::v1::Task task;
  ASSERT_TRUE(task.ParseFromString(value.substr(store::kStaysBytes)));
  EXPECT_EQ(task.queue(), "mail");
  EXPECT_EQ(task.body().bytes(), body.bytes);
  EXPECT_EQ(task.body().content_type(), "text/plain");
  ASSERT_EQ(task.body().headers_size(), 2);
  EXPECT_EQ(task.body().headers(0).key(), "a");
  EXPECT_EQ(task.body().headers(0).value(), "b");
}

TEST(RowCodec, FinishedRowsAndKeysExpireOthersStay) {
  for (const engine::Row& row : OneOfEachKind()) {
    std::optional<int64_t> expected;
    if (std::holds_alternative<engine::FinishedRow>(row)) expected = 4'000;
    if (std::holds_alternative<engine::KeyRow>(row)) expected = 7'000;
    EXPECT_EQ(store::ExpiresAtMs(Encoded(row)), expected);
  }
}

TEST(RowCodec, FinishedRowTakesTheTaskRowsPlaceApartFromIt) {
  EXPECT_EQ(KeyOf(engine::Row(SomeTask())), TaskRowKey(kTask));
  EXPECT_EQ(KeyOf(engine::Row(SomeFinished())), FinishedRowKey(kTask));
  store::WriteBatch batch;
  RowEncoder().Encode(SomeFinished(), batch);
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[0].key, FinishedRowKey(kTask));
  EXPECT_EQ(batch[1].key, TaskRowKey(kTask));
  EXPECT_FALSE(batch[1].value.has_value());
  EXPECT_TRUE(batch[1].put_once);
}

TEST(RowCodec, DeletesNameTheRowsThatPutsMade) {
  RowEncoder encoder;
  const std::vector<engine::Row> rows = OneOfEachKind();
  const std::vector<std::pair<engine::RowKey, size_t>> deletes = {
      {engine::QueueKey{"mail"}, 1},
      {engine::TaskKey{kTask}, 2},
      {engine::AttemptKey{kTask}, 3},
      {engine::GrantKey{engine::GrantId{3}}, 4},
      {engine::SessionKey{9}, 6},
      {engine::RunKey{SomeRun().id}, 11},
      {engine::DeadLetterKey{SomeLetter().queue, 258}, 13},
      {engine::DeadTaskKey{kTask}, 14},
      {engine::LetterGroupKey{SomeGroup().queue, SomeGroup().fingerprint}, 15},
      {engine::LetterMoveKey{kTask}, 16}};
  for (const auto& [key, row] : deletes) {
    store::WriteBatch batch;
    encoder.Encode(key, batch);
    const store::WriteBatch::Change change = batch[0];
    EXPECT_EQ(change.key, KeyOf(rows[row]));
    EXPECT_FALSE(change.value.has_value());
    EXPECT_EQ(change.put_once, std::holds_alternative<engine::TaskKey>(key));
  }
}

TEST(RowCodec, RowsOfOneRecoveryShareNamesAndPolicies) {
  RowDecoder decoder;
  const auto decode = [&](const engine::Row& row) {
    return *decoder.Decode(KeyOf(row), Encoded(row));
  };
  const engine::Row first = decode(SomeTask());
  const engine::Row second = decode(SomeTask());
  EXPECT_EQ(std::get<engine::TaskRow>(first).spec.retry,
            std::get<engine::TaskRow>(second).spec.retry);
  const engine::Row third = decode(SomeFinished());
  const engine::Row fourth = decode(SomeFinished());
  EXPECT_EQ(std::get<engine::FinishedRow>(third).queue,
            std::get<engine::FinishedRow>(fourth).queue);
}

TEST(RowCodec, DamagedRowIsDataLossAndNamed) {
  const auto expect_damaged = [](std::string_view key, std::string_view value,
                                 const std::string& named) {
    std::optional<Body> body;
    const auto row = RowDecoder().Decode(key, value, &body);
    EXPECT_EQ(row.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(row.status().message()), HasSubstr(named));
  };
  const std::string zero(1, '\0');
  expect_damaged("", zero, "key ''");
  expect_damaged("z\x01", zero, "key 'z\\x01'");
  expect_damaged("t123", zero, "key 't123'");
  expect_damaged("f123", zero, "key 'f123'");
  expect_damaged(TaskRowKey({1, 2}), "", "task 1-2");
  expect_damaged(TaskRowKey({1, 2}), zero + "X", "task 1-2");
  expect_damaged(TaskRowKey({1, 2}), zero, "unknown enum value 0");
  expect_damaged(FinishedRowKey({1, 2}), zero, "outcome of task 1-2");
  expect_damaged("qmail", Encoded(engine::QueueRow()), "queue 'mail'");
  expect_damaged(RequestKeyRowKey("mail", "once"), "\x02", "request key 'once' of queue 'mail'");
  const Body ten = SomeBody();
  engine::TaskRow run = SomeRun();
  run.payload_sizes.back() += 1;
  expect_damaged(KeyOf(run), Encoded(run, &ten), "sizes do not add up");
  run = SomeRun();
  run.id.sequence = UINT64_MAX - 2;
  expect_damaged(KeyOf(run), Encoded(run, &ten), "more tasks than there are sequences");
  engine::FinishedRow outcomes = SomeOutcomes();
  outcomes.id.sequence = 0;
  expect_damaged(KeyOf(outcomes), Encoded(outcomes, &ten), "as many tasks as it says");
  outcomes = SomeOutcomes();
  outcomes.result_sizes.pop_back();
  expect_damaged(KeyOf(outcomes), Encoded(outcomes, &ten), "not of one length");
  outcomes = SomeOutcomes();
  outcomes.payload_sizes[0] = 1;
  expect_damaged(KeyOf(outcomes), Encoded(outcomes, &ten), "payloads' sizes do not add up");
  outcomes = SomeOutcomes();
  outcomes.result_sizes[0] = 6;
  expect_damaged(KeyOf(outcomes), Encoded(outcomes, &ten), "results' sizes do not add up");
  const Body nine{.bytes = "nine byte"};
  expect_damaged(KeyOf(SomeRun()), Encoded(SomeRun(), &nine), "not as long as it says");
}

// Whatever bytes a disk makes of a row: an error or some row, never a crash.
TEST(RowCodec, CutAndFlippedRowsNeverCrash) {
  const Body body = SomeBody();
  RowDecoder decoder;
  std::optional<Body> stored;
  for (const engine::Row& row : OneOfEachKind()) {
    const std::string key = KeyOf(row);
    const std::string value = Encoded(row, &body);
    for (size_t size = 0; size < value.size(); ++size) {
      (void)decoder.Decode(key, value.substr(0, size), &stored);
      (void)decoder.Decode(key.substr(0, size), value, &stored);
    }
    for (size_t bit = 0; bit < 8 * value.size(); ++bit) {
      std::string flipped = value;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      (void)decoder.Decode(key, flipped, &stored);
    }
  }
}

TEST(RowKey, ScansMeetTasksInTheOrderOfTheirIds) {
  const std::vector<TaskId> ids = {
      {1, 1}, {1, 2}, {1, 256}, {2, 1}, {255, 9}, {256, 1}, {UINT64_MAX, UINT64_MAX}};
  for (size_t i = 1; i < ids.size(); ++i) {
    EXPECT_LT(TaskRowKey(ids[i - 1]), TaskRowKey(ids[i]));
    const KeyRange from = FinishedRowsFrom(ids[i]);
    EXPECT_GT(from.begin, FinishedRowKey(ids[i - 1]));
    EXPECT_LE(from.begin, FinishedRowKey(ids[i]));
    EXPECT_GT(from.end, FinishedRowKey(ids[i]));
  }
}

TEST(RowKey, RangesHoldTheirKindAndNoOther) {
  const auto holds = [](const KeyRange& range, const std::string& key) {
    return range.begin <= key && key < range.end;
  };
  const std::vector<std::pair<RowKind, std::string>> keys = {
      {RowKind::kMeta, KeyOf(engine::Row(engine::MetaRow()))},
      {RowKind::kQueue, KeyOf(engine::RowKey(engine::QueueKey{"\xff\xff"}))},
      {RowKind::kTask, TaskRowKey({UINT64_MAX, UINT64_MAX})},
      {RowKind::kAttempt, KeyOf(engine::RowKey(engine::AttemptKey{kTask}))},
      {RowKind::kGrant, KeyOf(engine::RowKey(engine::GrantKey{engine::GrantId{UINT64_MAX}}))},
      {RowKind::kSession, KeyOf(engine::RowKey(engine::SessionKey{0}))},
      {RowKind::kReports, KeyOf(engine::RowKey(engine::ReportsKey{0}))},
      {RowKind::kFinished, FinishedRowKey({UINT64_MAX, UINT64_MAX})},
      {RowKind::kKey, RequestKeyRowKey("q", "k")},
      {RowKind::kDeadLetter, DeadLetterRowKey("q", UINT64_MAX)},
      {RowKind::kDeadTask, DeadTaskRowKey({UINT64_MAX, UINT64_MAX})},
      {RowKind::kLetterGroup, KeyOf(engine::Row(SomeGroup()))},
      {RowKind::kLetterMove, KeyOf(engine::RowKey(engine::LetterMoveKey{kTask}))}};
  for (const auto& [kind, key] : keys) {
    EXPECT_EQ(KindOfKey(key), kind);
    EXPECT_TRUE(holds(AllRows(), key));
    for (const auto& [other, other_key] : keys) {
      EXPECT_EQ(holds(RowsOf(kind), other_key), kind == other) << DescribeKey(other_key);
    }
  }
}

TEST(RowKey, AQueuesDeadLettersAreTogetherInTheirOrder) {
  const KeyRange range = DeadLettersBetween("mail", 2, UINT64_MAX);
  const auto holds = [&range](const std::string& queue, uint64_t number) {
    const std::string key = DeadLetterRowKey(queue, number);
    return range.begin <= key && key < range.end;
  };
  EXPECT_FALSE(holds("mail", 1));
  EXPECT_TRUE(holds("mail", 2));
  EXPECT_TRUE(holds("mail", 256));
  EXPECT_TRUE(holds("mail", UINT64_MAX - 1));
  EXPECT_LT(DeadLetterRowKey("mail", 255), DeadLetterRowKey("mail", 256));
  for (const char* const other : {"mai", "maik", "main", "mail2", "a", "\xff"}) {
    EXPECT_FALSE(holds(other, 3)) << other;
  }
  const std::string key = DeadLetterRowKey("mail", 7);
  EXPECT_EQ(QueueNumberOfKey(key)->queue, "mail");
  EXPECT_EQ(QueueNumberOfKey(key)->number, 7u);
  EXPECT_FALSE(QueueNumberOfKey(key.substr(0, key.size() - 1)).has_value());
}

TEST(RowKey, QueueAndRequestKeyNeverRunTogether) {
  EXPECT_NE(RequestKeyRowKey("ab", "c"), RequestKeyRowKey("a", "bc"));
  const std::string key = RequestKeyRowKey("ab", "c");
  const std::optional<RequestKeyParts> parts = RequestKeyOfKey(key);
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->queue, "ab");
  EXPECT_EQ(parts->request_key, "c");
}

}  // namespace
}  // namespace treadle::broker
