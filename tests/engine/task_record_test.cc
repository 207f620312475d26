#include "server/engine/task_record.h"

#include <memory>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

using search::Field;

constexpr int64_t kNowMs = 100'000;

FailedAttempt SomeAttempt() {
  FailedAttempt attempt;
  attempt.error = {.type = "IOError", .message = "disk is full", .worker = "w1"};
  attempt.started_at_ms = 20'000;
  return attempt;
}

TaskView SomeTask() {
  TaskView task;
  task.id = {33, 7};
  task.queue = std::make_shared<const std::string>("mail");
  task.type = std::make_shared<const std::string>("send");
  task.state = TaskState::kScheduled;
  task.priority = 3;
  task.attempts = 1;
  task.max_attempts = 4;
  task.submitted_at_ms = 10'000;
  task.run_at_ms = 130'000;
  task.started_at_ms = 20'000;
  task.payload_bytes = 64;
  task.worker = "w7";
  task.cancel_reason = "deploy";
  task.request_key = "order-1";
  task.failed = {SomeAttempt()};
  return task;
}

FinishedRow SomeFinished() {
  FinishedRow row;
  row.id = {33, 7};
  row.queue = std::make_shared<const std::string>("mail");
  row.type = std::make_shared<const std::string>("send");
  row.state = TaskState::kFailed;
  row.submitted_at_ms = 10'000;
  row.started_at_ms = 20'000;
  row.finished_at_ms = 50'000;
  row.worker = std::make_shared<const std::string>("w7");
  row.error = {.type = "IOError", .message = "disk is full"};
  return row;
}

// Whoever adds a field to the table is told here what it is of a task.
TEST(TaskRecord, HasEveryFieldOfTheTable) {
  const TaskView task = SomeTask();
  const FinishedRow finished = SomeFinished();
  const TaskRecord unfinished(task, kNowMs);
  const TaskRecord ended(finished, 0, kNowMs);
  for (const search::FieldInfo& info : search::AllFields()) {
    if (info.field == Field::kText || info.field == Field::kHeader) continue;
    const search::Record& record =
        info.field == Field::kFinished ? ended.fields() : unfinished.fields();
    const bool is_text = info.kind == search::Kind::kText || info.kind == search::Kind::kChoice;
    EXPECT_TRUE(is_text ? !record.text(info.field).empty() : record.number(info.field).has_value())
        << info.name;
  }
}

TEST(TaskRecord, HasAWordForEachState) {
  for (const TaskState state :
       {TaskState::kScheduled, TaskState::kQueued, TaskState::kRunning, TaskState::kSucceeded,
        TaskState::kFailed, TaskState::kCancelled, TaskState::kExpired}) {
    EXPECT_THAT(search::ChoicesOf(Field::kState), ::testing::Contains(StateWord(state)));
  }
}

TEST(TaskRecord, CountsAgesFromTheMomentThatItIsGiven) {
  const TaskView task = SomeTask();
  const TaskRecord unfinished(task, kNowMs);
  EXPECT_EQ(unfinished.fields().number(Field::kAge), 90'000);
  EXPECT_EQ(unfinished.fields().number(Field::kDue), 30'000);
  EXPECT_EQ(unfinished.fields().number(Field::kRan), 80'000);
  EXPECT_EQ(unfinished.fields().number(Field::kFinished), std::nullopt);
  const FinishedRow row = SomeFinished();
  const TaskRecord ended(row, 0, kNowMs);
  EXPECT_EQ(ended.fields().number(Field::kRan), 30'000) << "until it ended";
  EXPECT_EQ(ended.fields().number(Field::kFinished), 50'000);
  EXPECT_EQ(ended.fields().number(Field::kDue), std::nullopt);
}

TEST(TaskRecord, OfARowOfSeveralIsOneOfThem) {
  FinishedRow row = SomeFinished();
  row.state = TaskState::kSucceeded;
  row.tasks = 3;
  row.payload_sizes = {1, 2, 3};
  const TaskRecord second(row, 1, kNowMs);
  EXPECT_EQ(second.fields().text(Field::kId), (TaskId{33, 8}.ToString()));
  EXPECT_EQ(second.fields().number(Field::kSize), 2);
  EXPECT_EQ(second.fields().text(Field::kDead), "no");
}

TEST(TaskRecord, KnowsOfADeadLetterThatItIsOne) {
  const FinishedRow row = SomeFinished();
  EXPECT_EQ(TaskRecord(row, 0, kNowMs).fields().text(Field::kDead), "")
      << "nobody knows by the row";
  DeadLetterRow letter;
  letter.id = {33, 7};
  letter.queue = row.queue;
  letter.type = row.type;
  letter.finished_at_ms = 50'000;
  letter.failed = {SomeAttempt()};
  letter.error = row.error;
  const TaskRecord record(letter, kNowMs);
  EXPECT_EQ(record.state(), TaskState::kFailed);
  EXPECT_EQ(record.fields().text(Field::kDead), "yes");
  EXPECT_EQ(record.fields().text(Field::kWorker), "w1");
  EXPECT_EQ(record.fields().text(Field::kError), "disk is full");
  EXPECT_EQ(record.fields().number(Field::kRan), 30'000);
}

}  // namespace
}  // namespace treadle::engine
