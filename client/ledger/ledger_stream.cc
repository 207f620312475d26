#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/ledger/ledger.h"
#include "client/ledger/run_writer.h"
#include "client/ledger/wire_format.h"

// The ledger's side towards the stream: what is said, and what is said again on a new one.

namespace treadle::client {
namespace {

using Stage = FutureState::Stage;

// An encoded spec has names, headers and options beside its payload. What is longer than a payload
// by more than this is refused here: the broker would not even read the message.
constexpr int64_t kSpecOverheadBytes = 256 * limits::kKiB;
// A message's share for one awaited or cancelled id.
constexpr size_t kIdBytesMax = 32;

}  // namespace

void Ledger::StreamOpened(const v1::SessionOpened& opened, Effects& effects) {
  batch_tasks_max_ = std::max(1, opened.batch_tasks_max());
  payload_bytes_max_ = opened.payload_bytes_max();
  message_bytes_max_ = opened.message_bytes_max();
  awaits_.clear();
  // Those of what is followed are gathered anew.
  std::erase_if(cancels_, [this](TaskId id) { return Find(id) != nullptr; });
  told_floor_ = 1;
  if (opened.resumed() && opened.session_id() == session_id_) {
    ResendSent();
  } else {
    GiveUpSession(effects);
    if (opened.session_id() == session_id_) ForgetTasksOf(session_id_, effects);
    session_id_ = opened.session_id();
    resume_secret_ = opened.resume_secret();
    next_sequence_ = 1;
    answered_ = AnsweredSequences();
  }
  ForgetLetGo(effects);
  AwaitAccepted();
}

std::vector<FutureState*> Ledger::SentInOrder() const {
  std::vector<FutureState*> sent;
  table_.ForEach([&](TaskId, const FutureStateRef& state) {
    if (state->stage == Stage::kSent) sent.push_back(state.get());
  });
  std::sort(sent.begin(), sent.end(),
            [](const FutureState* a, const FutureState* b) { return a->sequence < b->sequence; });
  return sent;
}

// Puts what was sent and not answered in front of what was never sent.
void Ledger::ResendSent() {
  std::erase_if(outgoing_,
                [](const FutureStateRef& state) { return state->stage != Stage::kUnsent; });
  const std::vector<FutureState*> sent = SentInOrder();
  for (auto state = sent.rbegin(); state != sent.rend(); ++state) {
    // Outcomes come by themselves only on the stream that carried the acceptance.
    (*state)->await_by_id = true;
    (*state)->Retain();
    outgoing_.push_front(FutureStateRef(*state));
  }
}

void Ledger::GiveUpSession(Effects& effects) {
  std::erase_if(outgoing_,
                [](const FutureStateRef& state) { return state->stage != Stage::kUnsent; });
  const std::vector<FutureState*> sent = SentInOrder();
  for (auto found = sent.rbegin(); found != sent.rend(); ++found) {
    FutureStateRef state = table_.Remove((*found)->id);
    if (state->task.request_key.empty()) {
      const absl::Status status =
          MayBeAccepted(*state.get(), "the broker has forgotten this client's session");
      EndAllOf(std::move(state), status, effects);
      continue;
    }
    state->stage = Stage::kUnsent;
    state->sequence = 0;
    state->await_by_id = false;
    FutureStateRef attached = std::move(state->next_of_same_id);
    if (attached) Insert(std::move(attached));
    outgoing_.push_front(state);
  }
}

// The broker begins again with numbers that it has given before: the ids would be those of other
// tasks from now on.
void Ledger::ForgetTasksOf(uint64_t session, Effects& effects) {
  std::erase_if(cancels_, [session](TaskId id) { return id.session == session; });
  std::vector<TaskId> ids;
  table_.ForEach([&](TaskId id, const FutureStateRef&) {
    if (id.session == session) ids.push_back(id);
  });
  for (const TaskId id : ids) {
    EndAllOf(table_.Remove(id),
             absl::NotFoundError(absl::StrCat(
                 "task ", id.ToString(),
                 " is not known any more: the broker has lost its store, or it is another broker")),
             effects);
  }
}

void Ledger::AwaitAccepted() {
  table_.ForEach([this](TaskId id, const FutureStateRef& state) {
    if (state->stage != Stage::kAccepted) return;
    awaits_.push_back(id);
    // A cancel that was sent on the lost stream may not have arrived.
    for (const FutureState* one = state.get(); one != nullptr; one = one->next_of_same_id.get()) {
      if (one->cancel_wanted) return cancels_.push_back(id);
    }
  });
}

std::string Ledger::NextMessage(Effects& effects, bool& answer_may_wait) {
  std::string message;
  int64_t items = 0;
  if (answered_.Floor() > told_floor_) {
    told_floor_ = answered_.Floor();
    AppendField(message, v1::SessionRequest::kAcknowledgedBelowFieldNumber, told_floor_);
  }
  if (!tasks_first_) AppendIds(message, items);
  const int64_t ids = items;
  AppendRuns(message, items, answer_may_wait, effects);
  answer_may_wait = answer_may_wait && items > ids;
  if (answer_may_wait) {
    AppendField(message, v1::SessionRequest::kAnswerMayWaitFieldNumber, uint64_t{1});
  }
  if (tasks_first_) AppendIds(message, items);
  tasks_first_ = !outgoing_.empty() && ids > 0 && items == ids;
  return message;
}

void Ledger::AppendRuns(std::string& message, int64_t& items, bool& answer_may_wait,
                        Effects& effects) {
  const auto bytes_max =
      static_cast<size_t>(std::min(limits::kOutgoingMessageBytes, message_bytes_max_));
  RunWriter runs(message, v1::SessionRequest::kRunsFieldNumber);
  for (; !outgoing_.empty() && items < batch_tasks_max_; outgoing_.pop_front()) {
    FutureState& state = *outgoing_.front().get();
    // Cancelled before it was sent, or ended before it was sent again.
    if (state.stage != Stage::kUnsent && state.stage != Stage::kSent) continue;
    if (IsTooLarge(state)) {
      RefuseTooLarge(state, effects);
      continue;
    }
    if (items > 0 && runs.BytesWith(state.task) > bytes_max) break;
    if (state.stage == Stage::kUnsent) {
      state.sequence = next_sequence_++;
      state.id = TaskId{session_id_, state.sequence};
      state.stage = Stage::kSent;
      Insert(std::move(outgoing_.front()));
    }
    runs.Add(state.sequence, state.task);
    answer_may_wait = answer_may_wait && !state.traits.until_accepted && !state.cancel_wanted &&
                      state.LetAnswerWait();
    ++items;
  }
  runs.Finish();
}

bool Ledger::IsTooLarge(const FutureState& state) const {
  return static_cast<int64_t>(RunWriter::BytesMax(state.task)) >
         std::min(payload_bytes_max_ + kSpecOverheadBytes, message_bytes_max_);
}

void Ledger::RefuseTooLarge(FutureState& state, Effects& effects) {
  absl::Status status = absl::InvalidArgumentError(
      absl::StrCat("payload is too large: the task has ", state.task.bytes(),
                   " bytes, and the broker takes payloads of at most ", payload_bytes_max_,
                   ": pass a reference to the data, or raise the broker's --payload-max"));
  if (state.stage == Stage::kUnsent) return End(state, std::move(status), effects);
  // Sent before, to a broker that took more.
  answered_.Add(state.sequence, state.sequence);
  EndAllOf(table_.Remove(state.id), status, effects);
}

// Before the tasks: ids are short, and a cancel or an await that waited behind a backlog of submits
// would come late. With at most half of a message while tasks wait, too.
void Ledger::AppendIds(std::string& message, int64_t& items) {
  AppendIds(message, items, v1::SessionRequest::kCancelTaskIdsFieldNumber, cancels_);
  AppendIds(message, items, v1::SessionRequest::kAwaitTaskIdsFieldNumber, awaits_);
}

void Ledger::AppendIds(std::string& message, int64_t& items, int field,
                       std::deque<TaskId>& ids) const {
  const int64_t share = outgoing_.empty() ? 1 : 2;
  const int64_t items_max = std::max<int64_t>(1, batch_tasks_max_ / share);
  const int64_t bytes_max = std::min(limits::kOutgoingMessageBytes, message_bytes_max_) / share;
  for (; !ids.empty() && items < items_max; ids.pop_front(), ++items) {
    const int64_t bytes = static_cast<int64_t>(message.size() + kIdBytesMax);
    if (items > 0 && bytes > bytes_max) return;
    AppendField(message, field, ids.front().ToString());
  }
}

}  // namespace treadle::client
