#include "server/broker/task_traces.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace treadle::broker {
namespace {

std::string_view HeaderOf(const BodyPart& payload, std::string_view name) {
  if (payload.body == nullptr) return {};
  for (const auto& [key, value] : payload.body->headers) {
    if (key == name) return value;
  }
  return {};
}

std::optional<TraceContext> SampledTrace(const BodyPart& payload) {
  std::optional<TraceContext> trace = ParseTraceParent(HeaderOf(payload, kTraceParent));
  return trace.has_value() && trace->sampled ? trace : std::nullopt;
}

std::shared_ptr<const Traced> MakeTraced(TraceContext parent, const BodyPart& payload,
                                         engine::Name queue, engine::Name type) {
  const std::string_view state = HeaderOf(payload, kTraceState);
  const bool keeps_state = state.size() <= kTraceStateBytesMax;
  return std::make_shared<const Traced>(Traced{std::move(parent),
                                               keeps_state ? std::string(state) : std::string(),
                                               std::move(queue), std::move(type)});
}

}  // namespace

bool TaskTraces::IsSampled(const BodyPart& payload) { return SampledTrace(payload).has_value(); }

bool TaskTraces::Follow(TaskId task, const std::shared_ptr<const Traced>& traced,
                        int64_t runnable_at_ms) {
  if (tasks_.size() >= kTasksMax && !tasks_.contains(task)) return false;
  tasks_.try_emplace(task, Task{traced, runnable_at_ms});
  return true;
}

void TaskTraces::Accepted(const engine::TaskRow& row, int64_t unix_ms) {
  if (sink_ == nullptr) return;
  std::optional<TraceContext> trace = SampledTrace(row.payload);
  if (!trace.has_value()) return;
  const auto traced = MakeTraced(*std::move(trace), row.payload,
                                 std::make_shared<const std::string>(row.spec.queue),
                                 std::make_shared<const std::string>(row.spec.type));
  const int64_t runnable_at_ms = std::max(unix_ms + row.spec.delay_ms, row.spec.run_at_ms);
  int64_t untraced = 0;
  for (uint32_t i = 0; i < row.tasks(); ++i) {
    const TaskId task{row.id.session, row.id.sequence + i};
    if (!Follow(task, traced, runnable_at_ms)) ++untraced;
  }
  if (untraced > 0) sink_->AddUntraced(untraced);
}

void TaskTraces::Leased(const LeasedRun& run, uint32_t index, int64_t unix_ms) {
  const TaskId id{run.lease.task.session, run.lease.task.sequence + index};
  auto found = tasks_.find(id);
  if (found == tasks_.end()) {
    std::optional<TraceContext> trace = SampledTrace(run.payload);
    if (!trace.has_value()) return;
    const auto traced = MakeTraced(*std::move(trace), run.payload, run.lease.queue, run.lease.type);
    if (!Follow(id, traced, /*runnable_at_ms=*/0)) return;
    found = tasks_.find(id);
  }
  Task& task = found->second;
  const engine::Token token{static_cast<uint64_t>(run.lease.token) + index};
  if (task.token == token) return;  // its payload was read meanwhile
  EndWait(id, task, token, unix_ms);
  task.token = token;
  task.attempt = run.lease.attempt;
}

void TaskTraces::EndWait(TaskId id, Task& task, engine::Token token, int64_t unix_ms) {
  const int64_t begin_ms = std::exchange(task.runnable_at_ms, 0);
  if (begin_ms == 0 || begin_ms > unix_ms) return;
  sink_->Add({.kind = Span::Kind::kWait,
              .traced = task.traced,
              .task = id,
              .begin_ms = begin_ms,
              .end_ms = unix_ms,
              .token = token});
}

void TaskTraces::Changed(const engine::AttemptRow& row, int64_t unix_ms, int64_t offset_ms) {
  if (tasks_.empty()) return;
  const auto found = tasks_.find(row.id);
  if (found == tasks_.end() || found->second.attempt == 0) return;
  Task& task = found->second;
  if (row.last_token < task.token) return;  // it goes on
  const int64_t run_at_ms = row.run_at_ms == 0 ? 0 : row.run_at_ms + offset_ms;
  task.runnable_at_ms = std::max(unix_ms, run_at_ms);
  const int32_t attempt = std::exchange(task.attempt, 0);
  if (row.attempts_spent < attempt || row.failed.empty()) return;
  const engine::FailedAttempt& failed = row.failed.back();
  sink_->Add({.kind = Span::Kind::kAttempt,
              .traced = task.traced,
              .task = row.id,
              .begin_ms = failed.started_at_ms != 0 ? failed.started_at_ms : failed.leased_at_ms,
              .end_ms = failed.ended_at_ms,
              .attempt = attempt,
              .worker = std::make_shared<const std::string>(failed.error.worker),
              .outcome = engine::TaskState::kFailed,
              .error_type = failed.error.type,
              .error_message = failed.error.message});
}

void TaskTraces::Finished(const engine::FinishedRow& row) {
  if (tasks_.empty()) return;
  for (uint32_t i = 0; i < row.tasks; ++i) {
    const TaskId id{row.id.session, row.id.sequence + i};
    const auto found = tasks_.find(id);
    if (found == tasks_.end()) continue;
    Task task = std::move(found->second);
    tasks_.erase(found);
    EndWait(id, task, engine::Token{}, row.finished_at_ms);
    Span span{.kind = Span::Kind::kAttempt,
              .traced = task.traced,
              .task = id,
              .begin_ms = row.started_at_ms != 0 ? row.started_at_ms : row.leased_at_ms,
              .end_ms = row.finished_at_ms,
              .attempt = task.attempt != 0 ? task.attempt : row.attempts,
              .worker = row.worker,
              .outcome = row.state,
              .error_type = row.error.type,
              .error_message = row.error.message};
    if (row.leased_at_ms != 0) sink_->Add(span);
    span.kind = Span::Kind::kTask;
    span.begin_ms = row.submitted_at_ms;
    span.attempt = row.attempts;
    span.worker = nullptr;
    sink_->Add(std::move(span));
  }
}

}  // namespace treadle::broker
