#include "server/engine/task_record.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace treadle::engine {
namespace {

using search::Field;

// By TaskState.
constexpr std::array<std::string_view, 8> kStateWords = {
    "", "scheduled", "queued", "running", "succeeded", "failed", "cancelled", "expired"};

}  // namespace

std::string_view StateWord(TaskState state) {
  const auto index = static_cast<size_t>(state);
  return index < kStateWords.size() ? kStateWords[index] : "";
}

template <typename Task>
void TaskRecord::Take(const Task& task, int64_t now_ms) {
  record_.text(Field::kId) = id_;
  record_.text(Field::kQueue) = *task.queue;
  record_.text(Field::kState) = StateWord(state_);
  record_.text(Field::kType) = *task.type;
  record_.text(Field::kKey) = task.request_key;
  record_.number(Field::kPriority) = task.priority;
  record_.number(Field::kAttempts) = task.attempts;
  record_.number(Field::kMaxAttempts) = task.max_attempts;
  record_.number(Field::kSize) = static_cast<int64_t>(task.payload_bytes);
  record_.number(Field::kAge) = std::max<int64_t>(0, now_ms - task.submitted_at_ms);
}

void TaskRecord::Take(const TaskError& error) {
  record_.text(Field::kError) = error.message;
  record_.text(Field::kErrorType) = error.type;
}

void TaskRecord::Ended(int64_t finished_at_ms, int64_t now_ms) {
  record_.number(Field::kFinished) = std::max<int64_t>(0, now_ms - finished_at_ms);
}

void TaskRecord::Ran(int64_t started_at_ms, int64_t until_ms) {
  if (started_at_ms == 0) return;
  record_.number(Field::kRan) = std::max<int64_t>(0, until_ms - started_at_ms);
}

TaskRecord::TaskRecord(const TaskView& task, int64_t now_ms)
    : id_(task.id.ToString()), state_(task.state) {
  Take(task, now_ms);
  record_.text(Field::kWorker) = task.worker;
  record_.text(Field::kCancelReason) = task.cancel_reason;
  record_.text(Field::kDead) = "no";
  if (!task.failed.empty()) Take(task.failed.back().error);
  if (state_ == TaskState::kScheduled) {
    record_.number(Field::kDue) = std::max<int64_t>(0, task.run_at_ms - now_ms);
  }
  Ran(task.started_at_ms, now_ms);
}

TaskRecord::TaskRecord(const FinishedRow& row, uint32_t index, int64_t now_ms)
    : id_(TaskId{row.id.session, row.id.sequence + index}.ToString()), state_(row.state) {
  Take(row, now_ms);
  if (row.tasks > 1) record_.number(Field::kSize) = row.payload_sizes[index];
  if (row.worker != nullptr) record_.text(Field::kWorker) = *row.worker;
  if (state_ != TaskState::kFailed) record_.text(Field::kDead) = "no";
  Take(row.error);
  Ran(row.started_at_ms, row.finished_at_ms);
  Ended(row.finished_at_ms, now_ms);
}

TaskRecord::TaskRecord(const DeadLetterRow& letter, int64_t now_ms)
    : id_(letter.id.ToString()), state_(TaskState::kFailed) {
  Take(letter, now_ms);
  record_.text(Field::kDead) = "yes";
  Take(letter.error);
  if (!letter.failed.empty()) {
    record_.text(Field::kWorker) = letter.failed.back().error.worker;
    Ran(letter.failed.back().started_at_ms, letter.finished_at_ms);
  }
  Ended(letter.finished_at_ms, now_ms);
}

}  // namespace treadle::engine
