#include "server/engine/queue_commands.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/units.h"
#include "server/engine/discipline_name.h"
#include "server/engine/refusals.h"

namespace treadle::engine {
namespace {

absl::Status CheckBounds(const QueueConfig& config) {
  if (config.max_tasks < 1) return refusal::BoundNotPositive("max_tasks");
  if (config.max_bytes < 1) return refusal::BoundNotPositive("max_bytes");
  const DeadLetterPolicy& letters = config.dead_letters;
  if (letters.max_tasks < 0) return refusal::BoundNegative("dead_letters.max_tasks");
  if (letters.max_bytes < 1) return refusal::BoundNotPositive("dead_letters.max_bytes");
  if (letters.ttl_ms < 1) return refusal::BoundNotPositive("dead_letters.ttl_ms");
  const CircuitBreaker& breaker = config.breaker;
  if (breaker.failure_percent < 0) {
    return refusal::BoundNegative("circuit_breaker.failure_percent");
  }
  if (breaker.min_attempts < 1) return refusal::BoundNotPositive("circuit_breaker.min_attempts");
  if (breaker.window_ms < limits::kBreakerWindowMsMin) {
    return refusal::BoundNotPositive("circuit_breaker.window_ms");
  }
  if (config.fail_unserved_after_ms < 0) return refusal::BoundNegative("fail_unserved_after_ms");
  return absl::OkStatus();
}

// "max_tasks 10 -> 20"; nothing when they are the same.
void AppendChange(const char* field, int64_t before, int64_t after, std::string& text) {
  if (before == after) return;
  absl::StrAppend(&text, text.empty() ? "" : ", ", field, " ", before, " -> ", after);
}

std::string ChangesOf(const QueueConfig& before, const QueueConfig& after) {
  std::string text;
  AppendChange("max_tasks", before.max_tasks, after.max_tasks, text);
  AppendChange("max_bytes", before.max_bytes, after.max_bytes, text);
  const DeadLetterPolicy& letters = after.dead_letters;
  AppendChange("dead_letters.max_tasks", before.dead_letters.max_tasks, letters.max_tasks, text);
  AppendChange("dead_letters.max_bytes", before.dead_letters.max_bytes, letters.max_bytes, text);
  AppendChange("dead_letters.ttl_ms", before.dead_letters.ttl_ms, letters.ttl_ms, text);
  const CircuitBreaker& breaker = after.breaker;
  AppendChange("circuit_breaker.failure_percent", before.breaker.failure_percent,
               breaker.failure_percent, text);
  AppendChange("circuit_breaker.min_attempts", before.breaker.min_attempts, breaker.min_attempts,
               text);
  AppendChange("circuit_breaker.window_ms", before.breaker.window_ms, breaker.window_ms, text);
  AppendChange("circuit_breaker.resume_after_ms", before.breaker.resume_after_ms,
               breaker.resume_after_ms, text);
  AppendChange("fail_unserved_after_ms", before.fail_unserved_after_ms,
               after.fail_unserved_after_ms, text);
  return text;
}

void Refuse(Turn& turn, CallId call, absl::Status status, const std::string& name) {
  turn.Say(Durability::kMemory, QueueChanged{call, std::move(status), name});
}

void Confirm(Turn& turn, CallId call, const std::string& name) {
  turn.Say(Durability::kSynced, QueueChanged{call, absl::OkStatus(), name});
}

}  // namespace

Queue* QueueCommands::FindOrRefuse(Turn& turn, CallId call, const std::string& name) {
  Queue* const queue = s_.queues.Find(name);
  if (queue == nullptr) Refuse(turn, call, refusal::NoSuchQueue(name), name);
  return queue;
}

void QueueCommands::Apply(Turn& turn, const CreateQueue& create) {
  const std::string& name = create.config.name;
  const absl::Status bounds = CheckBounds(create.config);
  if (!bounds.ok()) return Refuse(turn, create.call, bounds, name);
  if (const Queue* const existing = s_.queues.Find(name)) {
    if (existing->config == create.config) return Confirm(turn, create.call, name);
    return Refuse(turn, create.call, refusal::QueueExistsOtherwise(existing->config), name);
  }
  const absl::Status room = CheckNewQueue(s_.queue_shares, create.origin);
  if (!room.ok()) return Refuse(turn, create.call, room, name);
  Queue& queue = s_.queues.Obtain(name);
  s_.queues.Declare(queue, create.config, s_.Shown(turn.now_ms()));
  queue.origin = create.origin;
  s_.queue_shares.Take(queue.origin);
  pauses_.Follow(queue);
  turn.Put(RowOf(queue));
  log_.Note(
      turn, create.by, ActionKind::kQueueCreated, name,
      absl::StrCat(DisciplineName(create.config.discipline), ", at most ", create.config.max_tasks,
                   " tasks and ", FormatSizeBytes(create.config.max_bytes)));
  Confirm(turn, create.call, name);
}

void QueueCommands::Apply(Turn& turn, const UpdateQueue& update) {
  Queue* const queue = FindOrRefuse(turn, update.call, update.name);
  if (queue == nullptr) return;
  if (update.if_version != 0 && update.if_version != queue->version) {
    return Refuse(turn, update.call, refusal::QueueHasChanged(*queue, update.if_version),
                  update.name);
  }
  QueueConfig config = queue->config;
  config.max_tasks = update.max_tasks.value_or(config.max_tasks);
  config.max_bytes = update.max_bytes.value_or(config.max_bytes);
  DeadLetterPolicy& letters = config.dead_letters;
  letters.max_tasks = update.dead_letters_max_tasks.value_or(letters.max_tasks);
  letters.max_bytes = update.dead_letters_max_bytes.value_or(letters.max_bytes);
  letters.ttl_ms = update.dead_letters_ttl_ms.value_or(letters.ttl_ms);
  config.breaker = update.breaker.value_or(config.breaker);
  config.fail_unserved_after_ms =
      update.fail_unserved_after_ms.value_or(config.fail_unserved_after_ms);
  const absl::Status bounds = CheckBounds(config);
  if (!bounds.ok()) return Refuse(turn, update.call, bounds, update.name);
  NoteUpdate(turn, update, *queue, config);
  const CircuitBreaker breaker = std::exchange(queue->config, std::move(config)).breaker;
  queue->closed = update.closed.value_or(queue->closed);
  ++queue->version;
  pauses_.Follow(*queue, breaker);
  unserved_.Follow(*queue);
  turn.Put(RowOf(*queue));
  admission_.RulesChanged(turn, *queue);
  letters_.PolicyChanged(*queue);
  Confirm(turn, update.call, update.name);
}

void QueueCommands::NoteUpdate(Turn& turn, const UpdateQueue& update, const Queue& queue,
                               const QueueConfig& config) {
  std::string changes = ChangesOf(queue.config, config);
  const bool closed = update.closed.value_or(queue.closed);
  ActionKind kind = ActionKind::kQueueUpdated;
  if (closed != queue.closed) {
    kind = closed ? ActionKind::kQueueClosed : ActionKind::kQueueReopened;
    absl::StrAppend(&changes, changes.empty() ? "" : ", ",
                    closed ? "closed no -> yes" : "closed yes -> no");
  }
  if (kind == ActionKind::kQueueUpdated && changes.empty()) return;
  log_.Note(turn, update.by, kind, update.name, std::move(changes));
}

void QueueCommands::Apply(Turn& turn, const DeleteQueue& remove) {
  Queue* const queue = FindOrRefuse(turn, remove.call, remove.name);
  if (queue == nullptr) return;
  if (queue->unfinished() > 0 || queue->waiter_count > 0 || queue->letters != nullptr) {
    return Refuse(turn, remove.call, refusal::QueueInUse(*queue), remove.name);
  }
  // Its purge may have cancelled the last task and not yet said so.
  if (queue->purge != nullptr) EndPurge(turn, *queue);
  turn.Erase(QueueKey{remove.name});
  lifecycle_.DropLines(*queue);
  pauses_.Forget(*queue);
  s_.queues.Undeclare(*queue);
  s_.queue_shares.Return(queue->origin);
  s_.queues.Release(*queue);
  log_.Note(turn, remove.by, ActionKind::kQueueDeleted, remove.name, "it was empty");
  Confirm(turn, remove.call, remove.name);
}

void QueueCommands::Apply(Turn& turn, const PauseQueue& pause) {
  Queue* const queue = FindOrRefuse(turn, pause.call, pause.name);
  if (queue == nullptr) return;
  if (pause.paused) {
    pauses_.Begin(turn, *queue, pause.for_ms, /*by_breaker=*/false, pause.reason);
    log_.Note(turn, pause.by, ActionKind::kQueuePaused, pause.name,
              pause.for_ms == 0 ? std::string("until it is resumed")
                                : "for " + FormatDurationMs(pause.for_ms),
              pause.reason);
  } else {
    if (queue->paused()) {
      log_.Note(turn, pause.by, ActionKind::kQueueResumed, pause.name,
                queue->pause.by_breaker ? "its circuit breaker had paused it" : "it was paused");
    }
    pauses_.End(turn, *queue);
    unserved_.Follow(*queue);
  }
  Confirm(turn, pause.call, pause.name);
}

void QueueCommands::Apply(Turn& turn, const PurgeQueue& command) {
  Queue* const queue = FindOrRefuse(turn, command.call, command.name);
  if (queue == nullptr) return;
  if (queue->purge == nullptr) {
    queue->purge = std::make_unique<Purge>();
    queue->purge->begun_ms = turn.now_ms();
    s_.purging.push_back(queue);
  }
  log_.Note(turn, command.by, ActionKind::kQueuePurged, command.name,
            absl::StrCat(queue->scheduled, " scheduled and ", queue->queued, " queued tasks"));
  Purge& purge = *queue->purge;
  purge.tasks.Splice(queue->scheduled_tasks);
  for (size_t i = 0; i < queue->ready_lines.size(); ++i) {
    purge.tasks.Splice(queue->ready_lines[i].item->queued_tasks);
  }
  purge.before_order = s_.counters.next_order;
  purge.callers.push_back({command.call, purge.cancelled});
}

void QueueCommands::ContinuePurges(Turn& turn) {
  int64_t budget = s_.options.purged_per_turn_max;
  while (!s_.purging.empty() && budget > 0) {
    Queue& queue = *s_.purging.front();
    Purge& purge = *queue.purge;
    for (; budget > 0 && !purge.tasks.empty(); --budget) {
      ++purge.cancelled;
      lifecycle_.Cancel(turn, lifecycle_.PartFirst(purge.tasks.front()));
    }
    if (purge.tasks.empty()) EndPurge(turn, queue);
  }
}

void QueueCommands::EndPurge(Turn& turn, Queue& queue) {
  for (const Purge::Caller& caller : queue.purge->callers) {
    turn.Say(Durability::kSynced, QueueChanged{caller.call, absl::OkStatus(), *queue.name,
                                               queue.purge->cancelled - caller.cancelled_before});
  }
  queue.purge = nullptr;
  queue.dispatches_since_ms = turn.now_ms();
  std::erase(s_.purging, &queue);
  s_.matching.Activate(queue);
  unserved_.Follow(queue);
}

}  // namespace treadle::engine
