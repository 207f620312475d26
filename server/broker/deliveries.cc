#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "proto/support/assert.h"
#include "server/broker/body.h"
#include "server/broker/broker_impl.h"

// What a turn wants said, once its rows are in the store.

namespace treadle::broker {

using engine::Durability;

void Broker::Impl::Deliver() {
  std::vector<engine::Output>& outputs = turn_.effects.outputs;
  auto result = turn_.results.begin();
  for (size_t i = 0; i < outputs.size() && failure_.ok(); ++i) {
    const bool has_result = result != turn_.results.end() && result->first == i;
    turn_.result = has_result ? std::move((result++)->second) : nullptr;
    std::visit([&](auto& event) { Say(outputs[i].after, event); }, outputs[i].event);
  }
}

// After the turn's rows are in the store, where an outcome can be found then.
void Broker::Impl::ReadSome() {
  turn_bytes_ = 0;
  const int64_t begun_ms = clock_.NowMs();
  for (int64_t left = options_.turn_reads_max; left > 0 && failure_.ok(); --left) {
    std::optional<PendingReads::Read> read = reads_.Next();
    if (!read.has_value()) return;
    Read(*read);
    if (turn_bytes_ >= options_.turn_bytes_max) return;
    if (clock_.NowMs() - begun_ms >= options_.turn_read_ms_max) return;
  }
}

void Broker::Impl::Read(PendingReads::Read& read) {
  if (const auto* await = std::get_if<AwaitTask>(&read)) {
    turn_bytes_ += AnswerIfFinished(await->call, await->task);
  } else if (const auto* watch = std::get_if<WatchTask>(&read)) {
    Show(watch->call, watch->task);
    turn_bytes_ += AnswerIfFinished(watch->call, watch->task);
  } else if (auto* done = std::get_if<engine::CancelDone>(&read)) {
    done->status = Finished(done->task).status();
    gate_.Say(Durability::kSynced, std::move(*done));
  } else {
    Answer(std::get<Query>(read));
  }
}

// A client is told its session's number when that is safe, and can name no task by it before. The
// broker's own is used at once, so nothing leaves before it is safe.
void Broker::Impl::Say(Durability after, engine::SessionOpened& event) {
  if (event.call == kOwnCall) {
    TREADLE_ASSERT(event.status.ok());
    own_session_.store(event.session, std::memory_order_relaxed);
    gate_.HoldAll();
    return;
  }
  if (event.status.ok()) watchers_.SessionOpened(event.call, event.session);
  gate_.Say(after, std::move(event));
}

void Broker::Impl::Say(Durability after, engine::WorkerAttached& event) {
  gate_.SayFirst(after, std::move(event));
}

void Broker::Impl::Say(Durability after, engine::CancelDone& event) {
  if (absl::IsNotFound(event.status)) {
    reads_.Add(event.call, std::move(event));
  } else {
    gate_.Say(after, std::move(event));
  }
}

void Broker::Impl::Say(Durability after, engine::Dispatched& event) {
  Leased leased{.call = event.call, .now_ms = now_ms_};
  leased.tasks.reserve(event.leases.size());
  for (engine::Lease& lease : event.leases) {
    progress_.Drop(lease.task);
    BodyPtr payload = cache_.Take(lease.task);
    if (payload == nullptr) {
      absl::StatusOr<BodyPtr> stored = stored_.Payload(lease.task);
      if (!stored.ok()) {
        failure_ = stored.status();
        return;
      }
      payload = *std::move(stored);
    }
    leased.tasks.push_back(LeasedTask{std::move(lease), std::move(payload)});
  }
  gate_.Say(after, std::move(leased));
}

// A stop must not overtake the lease that it is about, which may still wait for the disk, nor a
// call's end what was said on it.
void Broker::Impl::Say(Durability, engine::StopAttempt& event) {
  gate_.Say(Durability::kSynced, std::move(event));
}
void Broker::Impl::Say(Durability, engine::EndCall& event) {
  gate_.Say(Durability::kSynced, std::move(event));
}

void Broker::Impl::Say(Durability after, engine::TaskFinished& event) {
  const engine::FinishedRow& row = *event.row;
  progress_.Drop(row.id);
  // One that succeeded was dispatched, so its payload has left the cache.
  if (row.state != engine::TaskState::kSucceeded) cache_.Take(row.id);
  calls_.clear();
  watchers_.Finished(row.id, calls_);
  if (calls_.empty()) return;
  for (const engine::CallId call : calls_) {
    gate_.Say(after, OutcomeReady{call, event.row, turn_.result});
  }
}

void Broker::Impl::Say(Durability, engine::TaskChanged& event) {
  if (!turn_.changed.insert(event.task).second) return;
  calls_.clear();
  watchers_.Watching(event.task, calls_);
  for (const engine::CallId call : calls_) Show(call, event.task);
}

// The view is of the turn's end, whatever the change was: so it waits for all of the turn.
void Broker::Impl::Show(engine::CallId call, TaskId task) {
  std::optional<engine::TaskView> view = engine_.FindTask(task);
  if (!view.has_value()) return;
  const ProgressState* progress = progress_.Find(task);
  gate_.Say(Durability::kSynced,
            TaskSeen{call, std::make_shared<const engine::TaskView>(*std::move(view)),
                     progress == nullptr ? ProgressState{} : *progress});
}

// That a task is unknown waits for the disk, so that it does not overtake the outcome of one that
// has ended and is not kept; the call's wish stays until then: see Release. Returns the bytes read.
int64_t Broker::Impl::AnswerIfFinished(engine::CallId call, TaskId task) {
  if (!watchers_.Has(call, task) || engine_.FindTask(task).has_value()) return 0;
  absl::StatusOr<OutcomeReady> finished = Finished(task);
  if (finished.ok()) {
    watchers_.Remove(call, task);
    finished->call = call;
    const int64_t bytes = finished->result == nullptr ? 0 : BytesOf(*finished->result);
    gate_.Say(Durability::kSynced, *std::move(finished));
    return bytes;
  }
  ++unknowns_said_;
  gate_.Say(Durability::kSynced, TaskUnknown{call, task});
  return 0;
}

void Broker::Impl::Release(std::vector<Delivery> deliveries) {
  if (unknowns_said_ > 0) {
    std::erase_if(deliveries, [this](const Delivery& delivery) {
      const auto* unknown = std::get_if<TaskUnknown>(&delivery);
      if (unknown == nullptr) return false;
      --unknowns_said_;
      return !IsStillUnknown(*unknown);
    });
  }
  if (!deliveries.empty()) outbox_.Release(std::move(deliveries));
}

// Between the answer and its leave the task may have come, and its acknowledgement, which need not
// wait for the disk, may have left: the client would take a task that it knows to be accepted for
// lost. Who awaits it goes on waiting. (Who watches it is told: it has not seen the task come.)
bool Broker::Impl::IsStillUnknown(const TaskUnknown& unknown) {
  if (!watchers_.Has(unknown.call, unknown.task)) return false;  // it has been told the outcome
  if (engine_.FindTask(unknown.task).has_value() &&
      !watchers_.IsWatching(unknown.call, unknown.task)) {
    return false;
  }
  watchers_.Remove(unknown.call, unknown.task);
  return true;
}

absl::StatusOr<OutcomeReady> Broker::Impl::Finished(TaskId task) {
  absl::StatusOr<OutcomeReady> finished = stored_.Finished(task);
  if (!finished.ok() && !absl::IsNotFound(finished.status())) failure_ = finished.status();
  return finished;
}

void Broker::Impl::Answer(Query& query) {
  const View::Internals internals{progress_, stored_};
  Delivery answer = query(View{engine_, store_, now_ms_, &internals});
  if (internals.rests_on_outcomes) {
    gate_.Say(Durability::kSynced, std::move(answer));
  } else {
    gate_.SayAtOnce(std::move(answer));
  }
}

const ProgressState* View::Progress(TaskId task) const { return internals->progress.Find(task); }

absl::StatusOr<OutcomeReady> View::Finished(TaskId task) const {
  internals->rests_on_outcomes = true;
  return internals->stored.Finished(task);
}

absl::StatusOr<FinishedPage> View::ListFinished(
    size_t limit, TaskId from, absl::FunctionRef<bool(const engine::FinishedRow&)> accept) const {
  internals->rests_on_outcomes = true;
  return internals->stored.ListFinished(limit, from, accept);
}

}  // namespace treadle::broker
