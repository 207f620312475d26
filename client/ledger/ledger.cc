#include "client/ledger/ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/wire/item_status.h"
#include "treadle/task_error.h"

namespace treadle::client {
namespace {

using Stage = FutureState::Stage;

// In the form in which the broker tells the end of a cancelled task.
absl::Status CancelledUnsent(const FutureState& state) {
  if (!state.status.ok()) return state.status;
  TaskError error;
  error.end = TaskEnd::kCancelled;
  error.type = kCancelledError;
  error.message = "cancelled before it was sent to the broker";
  return ToStatus(error);
}

}  // namespace

absl::Status MayBeAccepted(const FutureState& state, absl::string_view reason) {
  return absl::AbortedError(
      absl::StrCat(reason, "; the submit was sent and not answered, so task ", state.id.ToString(),
                   " may have been accepted: look it up, or submit again with a request_key"));
}

void Ledger::Submit(FutureStateRef state) {
  if (state->traits.group != 0) ++pending_of_[state->traits.group];
  ++counts_.pending;
  outgoing_.push_back(std::move(state));
}

void Ledger::Attach(FutureStateRef state) {
  state->stage = Stage::kAccepted;
  ++counts_.pending;
  awaits_.push_back(state->id);
  Insert(std::move(state));
}

void Ledger::Cancel(FutureStateRef state, Effects& effects) {
  switch (state->stage) {
    case Stage::kUnsent:
      // It stays in outgoing_, where it is passed over.
      ++counts_.cancelled;
      End(*state.get(), CancelledUnsent(*state.get()), effects);
      break;
    case Stage::kSent:
      state->cancel_wanted = true;
      break;
    case Stage::kAccepted:
      state->cancel_wanted = true;
      cancels_.push_back(state->id);
      break;
    case Stage::kEnded:
      // It was accepted before the cancel came here, but its caller was told that it was in time.
      if (state->traits.until_accepted && state->status.ok()) CancelAccepted(*state.get());
      break;
  }
}

// By a future that nobody has, so that the cancel is said again on the next stream.
void Ledger::CancelAccepted(const FutureState& ended) {
  FutureStateRef again(new FutureState(nullptr));
  again->id = ended.id;
  again->since = ended.since;
  again->cancel_wanted = true;
  cancels_.push_back(again->id);
  Attach(std::move(again));
}

void Ledger::Handle(v1::SessionResponse& message, Effects& effects) {
  for (const v1::AcceptedRange& range : message.accepted()) HandleAccepted(range, effects);
  for (const v1::RefusedRange& range : message.refused()) HandleRefused(range, effects);
  for (const v1::ExistingTask& existing : message.existing()) HandleExisting(existing, effects);
  for (v1::OutcomeRun& run : *message.mutable_succeeded()) HandleSucceeded(run, effects);
  for (v1::Outcome& outcome : *message.mutable_outcomes()) HandleOutcome(outcome, effects);
  for (const v1::UnknownTask& unknown : message.unknown_tasks()) HandleUnknown(unknown, effects);
  if (table_.size() >= look_at_size_) ForgetLetGo(effects);
}

// Of those that the broker names: the ones that were sent, and not answered below the floor.
std::pair<uint64_t, uint64_t> Ledger::AnsweredNow(uint64_t first, uint64_t last) {
  first = std::max(first, answered_.Floor());
  last = std::min(last, next_sequence_ - 1);
  if (first <= last) answered_.Add(first, last);
  return {first, last};
}

void Ledger::HandleAccepted(const v1::AcceptedRange& range, Effects& effects) {
  const auto [first, last] = AnsweredNow(range.first_sequence(), range.last_sequence());
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    FutureState* const state = FindSent(sequence);
    if (state == nullptr) continue;
    state->durability = static_cast<Durability>(range.durability());
    state->no_worker = range.no_worker();
    Accept(*state, effects);
    if (EndsWhenAccepted(*state)) End(*table_.Remove(state->id).get(), {}, effects);
  }
}

void Ledger::HandleRefused(const v1::RefusedRange& range, Effects& effects) {
  absl::Status status = wire::FromItem(range.status());
  if (status.ok()) status = absl::UnknownError("the broker refused the submit and did not say why");
  const auto [first, last] = AnsweredNow(range.first_sequence(), range.last_sequence());
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    FutureState* const state = FindSent(sequence);
    if (state == nullptr) continue;
    ++counts_.refused;
    EndAllOf(table_.Remove(state->id), status, effects);
  }
}

void Ledger::HandleExisting(const v1::ExistingTask& existing, Effects& effects) {
  FutureState* const found = FindSent(existing.sequence());
  if (found == nullptr) return;
  answered_.Add(existing.sequence(), existing.sequence());
  const FutureStateRef state = table_.Remove(found->id);
  const absl::StatusOr<TaskId> id = TaskId::Parse(existing.task_id());
  if (!id.ok()) {
    ++counts_.refused;
    return EndAllOf(state, id.status(), effects);
  }
  state->id = *id;
  state->durability = static_cast<Durability>(existing.durability());
  state->existing = true;
  state->await_by_id = true;  // it may be another session's
  Accept(*state.get(), effects);
  if (EndsWhenAccepted(*state.get())) return End(*state.get(), absl::OkStatus(), effects);
  Insert(state);
}

void Ledger::HandleSucceeded(v1::OutcomeRun& run, Effects& effects) {
  const auto content_type =
      std::make_shared<const std::string>(std::move(*run.mutable_content_type()));
  std::string results = std::move(*run.mutable_results());
  size_t begin = 0;
  for (int i = 0; i < run.result_sizes_size() && begin <= results.size(); ++i) {
    const size_t size = run.result_sizes(i);
    const bool whole = begin == 0 && size >= results.size();
    Succeed(TaskId{session_id_, run.first_sequence() + static_cast<uint64_t>(i)},
            whole ? std::move(results) : results.substr(begin, size), content_type, effects);
    begin += size;
  }
}

void Ledger::Succeed(TaskId id, std::string result,
                     const std::shared_ptr<const std::string>& content_type, Effects& effects) {
  counts_.result_bytes += static_cast<int64_t>(result.size());
  for (FutureStateRef state = table_.Remove(id); state;) {
    LearnOfEnd(*state.get(), v1::TASK_STATE_SUCCEEDED, effects);
    FutureStateRef next = std::move(state->next_of_same_id);
    state->result = next ? result : std::move(result);
    state->content_type = content_type;
    End(*state.get(), absl::OkStatus(), effects);
    state = std::move(next);
  }
}

void Ledger::HandleOutcome(v1::Outcome& outcome, Effects& effects) {
  const absl::StatusOr<TaskId> id = TaskId::Parse(outcome.task_id());
  if (!id.ok()) return;
  if (outcome.state() == v1::TASK_STATE_SUCCEEDED) {
    return Succeed(*id, std::move(*outcome.mutable_result()),
                   std::make_shared<const std::string>(std::move(*outcome.mutable_content_type())),
                   effects);
  }
  for (FutureStateRef state = table_.Remove(*id); state;) {
    LearnOfEnd(*state.get(), outcome.state(), effects);
    FutureStateRef next = std::move(state->next_of_same_id);
    const bool given_up = outcome.state() == v1::TASK_STATE_CANCELLED && !state->status.ok();
    End(*state.get(), given_up ? state->status : ToStatus(ErrorOf(outcome)), effects);
    state = std::move(next);
  }
}

// The end of a task says that it was accepted, should the answer be on its way yet.
void Ledger::LearnOfEnd(FutureState& state, v1::TaskState end, Effects& effects) {
  CountEnd(end);
  if (state.stage != Stage::kSent) return;
  answered_.Add(state.sequence, state.sequence);
  Accept(state, effects);
}

void Ledger::HandleUnknown(const v1::UnknownTask& unknown, Effects& effects) {
  const absl::StatusOr<TaskId> id = TaskId::Parse(unknown.task_id());
  if (!id.ok()) return;
  const FutureState* const state = Find(*id);
  if (state == nullptr || state->stage == Stage::kSent) return;
  absl::Status status = wire::FromItem(unknown.status());
  if (status.ok()) {
    status = absl::NotFoundError(absl::StrCat("task ", unknown.task_id(), " is not known"));
  }
  EndAllOf(table_.Remove(*id), status, effects);
}

// What is cancelled is followed to its end, so that its cancel can be said again. REQUIRES: one
// reference is the ledger's.
bool Ledger::EndsWhenAccepted(const FutureState& state) const {
  return (state.traits.until_accepted || state.IsAlone()) && !state.cancel_wanted;
}

bool Ledger::IsLetGo(const FutureState& first) {
  for (const FutureState* one = &first; one != nullptr; one = one->next_of_same_id.get()) {
    if (one->stage != Stage::kAccepted || !one->IsAlone() || one->cancel_wanted) return false;
  }
  return true;
}

// What their owners have dropped since they were accepted.
void Ledger::ForgetLetGo(Effects& effects) {
  std::vector<TaskId> let_go;
  table_.ForEach([&](TaskId id, const FutureStateRef& first) {
    if (IsLetGo(*first.get())) let_go.push_back(id);
  });
  for (const TaskId id : let_go) EndAllOf(table_.Remove(id), absl::OkStatus(), effects);
  look_at_size_ = std::max(kLookAtSizeMin, 2 * table_.size());
}

void Ledger::CountEnd(v1::TaskState end) {
  switch (end) {
    case v1::TASK_STATE_SUCCEEDED:
      ++counts_.succeeded;
      break;
    case v1::TASK_STATE_CANCELLED:
      ++counts_.cancelled;
      break;
    case v1::TASK_STATE_EXPIRED:
      ++counts_.expired;
      break;
    default:
      ++counts_.failed;
  }
}

void Ledger::Count(ClientStats& stats) const {
  stats.accepted = counts_.accepted;
  stats.refused = counts_.refused;
  stats.succeeded = counts_.succeeded;
  stats.failed = counts_.failed;
  stats.cancelled = counts_.cancelled;
  stats.expired = counts_.expired;
  stats.result_bytes = counts_.result_bytes;
  stats.pending = counts_.pending;
}

void Ledger::Accept(FutureState& state, Effects& effects) {
  Leave(state, effects);
  ++counts_.accepted;
  state.stage = Stage::kAccepted;
  if (state.await_by_id && !EndsWhenAccepted(state)) awaits_.push_back(state.id);
  if (state.cancel_wanted) cancels_.push_back(state.id);
  state.PublishAccepted(effects.wakeups);
}

void Ledger::End(FutureState& state, absl::Status status, Effects& effects) {
  --counts_.pending;
  if (state.stage != Stage::kAccepted) Leave(state, effects);
  state.stage = Stage::kEnded;
  if (const auto group = pending_of_.find(state.traits.group);
      group != pending_of_.end() && --group->second == 0) {
    pending_of_.erase(group);
  }
  state.status = std::move(status);
  state.PublishDone(effects.wakeups);
}

void Ledger::EndAllOf(FutureStateRef state, const absl::Status& status, Effects& effects) {
  while (state) {
    FutureStateRef next = std::move(state->next_of_same_id);
    End(*state.get(), status, effects);
    state = std::move(next);
  }
}

void Ledger::Leave(FutureState& state, Effects& effects) {
  ++effects.answered_tasks;
  effects.answered_bytes += state.task.bytes();
  state.task = EncodedTask();
}

FutureState* Ledger::Find(TaskId id) const {
  const FutureStateRef* const found = table_.Find(id);
  return found == nullptr ? nullptr : found->get();
}

FutureState* Ledger::FindSent(uint64_t sequence) const {
  FutureState* const state = Find(TaskId{session_id_, sequence});
  return state != nullptr && state->stage == Stage::kSent ? state : nullptr;
}

void Ledger::Insert(FutureStateRef state) {
  FutureState* const first = Find(state->id);
  if (first == nullptr) {
    const TaskId id = state->id;
    table_.Insert(id, std::move(state));
    return;
  }
  // Behind the first: that one may be our own submit, still to be answered.
  FutureState* last = state.get();
  while (last->next_of_same_id) last = last->next_of_same_id.get();
  last->next_of_same_id = std::move(first->next_of_same_id);
  first->next_of_same_id = std::move(state);
}

std::vector<FutureStateRef> Ledger::PendingOf(uint32_t group) const {
  std::vector<FutureStateRef> pending;
  const auto add = [&](FutureState& state) {
    if (state.traits.group != group) return;
    state.Retain();
    pending.emplace_back(&state);
  };
  table_.ForEach([&](TaskId, const FutureStateRef& first) {
    for (FutureState* state = first.get(); state != nullptr; state = state->next_of_same_id.get()) {
      add(*state);
    }
  });
  for (const FutureStateRef& state : outgoing_) {
    if (state->stage == Stage::kUnsent) add(*state.get());
  }
  return pending;
}

void Ledger::GiveUp(uint32_t group, const absl::Status& reason, Effects& effects) {
  for (FutureStateRef& state : PendingOf(group)) {
    state->status = reason;
    Cancel(std::move(state), effects);
  }
}

void Ledger::LetGo(FutureState& state, const absl::Status& reason, Effects& effects) {
  switch (state.stage) {
    case Stage::kUnsent:
      return End(state, reason, effects);
    case Stage::kSent:
      answered_.Add(state.sequence, state.sequence);
      // Whether it was accepted or not, it is not wanted.
      if (state.cancel_wanted) cancels_.push_back(state.id);
      return End(state, MayBeAccepted(state, reason.message()), effects);
    case Stage::kAccepted:
      return End(state,
                 absl::AbortedError(absl::StrCat(reason.message(), "; task ", state.id.ToString(),
                                                 " was accepted: attach to it to follow it again")),
                 effects);
    case Stage::kEnded:
      return;
  }
}

Ledger::TimePoint Ledger::EndOlder(TimePoint until, const absl::Status& reason, Effects& effects) {
  TimePoint oldest = TimePoint::max();
  std::vector<TaskId> ids;
  ids.reserve(table_.size());
  table_.ForEach([&](TaskId id, const FutureStateRef&) { ids.push_back(id); });
  for (const TaskId id : ids) {
    for (FutureStateRef state = table_.Remove(id); state;) {
      FutureStateRef next = std::move(state->next_of_same_id);
      if (state->since <= until) {
        LetGo(*state.get(), reason, effects);
      } else {
        oldest = std::min(oldest, state->since);
        Insert(std::move(state));
      }
      state = std::move(next);
    }
  }
  std::erase_if(outgoing_, [&](const FutureStateRef& state) {
    if (state->stage != Stage::kUnsent) return state->stage == Stage::kEnded;
    if (state->since > until) {
      oldest = std::min(oldest, state->since);
      return false;
    }
    LetGo(*state.get(), reason, effects);
    return true;
  });
  return oldest;
}

void Ledger::EndAll(const absl::Status& reason, Effects& effects) {
  EndOlder(TimePoint::max(), reason, effects);
  awaits_.clear();
}

}  // namespace treadle::client
