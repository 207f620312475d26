#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "client/future/future_state.h"
#include "client/ledger/answered_sequences.h"

#include "proto/support/limits.h"
#include "proto/support/task_id.h"
#include "proto/support/task_map.h"
#include "treadle/client.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::client {

// What handling one or more messages set off.
struct Effects {
  Wakeups wakeups;
  // Submits that left the window: answered, or given up.
  int64_t answered_tasks = 0;
  int64_t answered_bytes = 0;
};

// ABORTED, for a submit that was sent and whose answer will not come.
absl::Status MayBeAccepted(const FutureState& state, absl::string_view reason);

// What this client has submitted and waits for: which submits are not sent, sent or accepted, which
// tasks' outcomes are awaited, and what the next message to the broker must say. Decides what is
// sent again after a lost connection, and so whether work is lost or doubled.
//
// What nobody else has a reference to is let go once it is accepted: no outcome is waited for. At
// the acceptance, at a new stream, and now and then, so that no more entries are kept than twice
// those that somebody holds, and a thousand.
//
// Pure bookkeeping: no threads, no clock, no stream. One thread.
class Ledger {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // New work. A submit has only its `task` and `traits`; an attached future has its `id`.
  void Submit(FutureStateRef state);
  void Attach(FutureStateRef state);
  void Cancel(FutureStateRef state, Effects& effects);

  // The session to resume; 0: none yet.
  uint64_t session_id() const { return session_id_; }
  // What the broker wants to see for it.
  const std::string& resume_secret() const { return resume_secret_; }
  // All submits below it were answered.
  uint64_t acknowledged_below() const { return answered_.Floor(); }

  // A stream is open. The session goes on (`opened` names it and says so): what was not answered is
  // sent again under the same sequences. Otherwise a new session begins: what was never sent is
  // sent in it, so is what has a request key; what was sent without key and not answered ends with
  // ABORTED, since nobody can tell whether it was accepted. Accepted tasks are awaited by their id
  // either way: when it is another life of the broker, whose store has nothing of the one before,
  // their ids are unknown there, and they end with NOT_FOUND. No id is given twice; should a broker
  // give a session's number again all the same, what was accepted under it ends at once.
  void StreamOpened(const v1::SessionOpened& opened, Effects& effects);

  // Takes the outcomes' bytes out of `message`.
  void Handle(v1::SessionResponse& message, Effects& effects);

  // There is something that the broker does not know yet.
  bool HasNews() const { return !outgoing_.empty() || !awaits_.empty() || HasCancels(); }
  // Cancels that no message carried yet. They outlast what ends without an answer.
  bool HasCancels() const { return !cancels_.empty(); }
  // The next message, encoded, within the bounds that the broker named; without news a heartbeat.
  // REQUIRES: a stream is open. `answer_may_wait`: for the outcomes, if the caller has no
  // objection; then, whether the message says so: nobody else waits for the answer.
  std::string NextMessage(Effects& effects, bool& answer_may_wait);

  // The futures of one group that are not done.
  std::vector<FutureStateRef> PendingOf(uint32_t group) const;
  bool HasPending(uint32_t group) const { return pending_of_.contains(group); }
  // Cancels them; those that end as cancelled end with `reason`.
  void GiveUp(uint32_t group, const absl::Status& reason, Effects& effects);

  // Ends what was asked for at `until` or before; nothing of it will be sent again. What was never
  // sent ends with `reason`, so that it can be submitted again; what was sent, and was or may have
  // been accepted, with ABORTED. Returns when the oldest of the rest was asked for.
  TimePoint EndOlder(TimePoint until, const absl::Status& reason, Effects& effects);
  void EndAll(const absl::Status& reason, Effects& effects);

  size_t pending() const { return table_.size() + outgoing_.size(); }
  // Writes what is counted here: all but what the session knows of its stream and its window.
  void Count(ClientStats& stats) const;

 private:
  static constexpr size_t kLookAtSizeMin = 1'024;

  void HandleAccepted(const v1::AcceptedRange& range, Effects& effects);
  void HandleRefused(const v1::RefusedRange& range, Effects& effects);
  void HandleExisting(const v1::ExistingTask& existing, Effects& effects);
  void HandleSucceeded(v1::OutcomeRun& run, Effects& effects);
  void HandleOutcome(v1::Outcome& outcome, Effects& effects);
  void HandleUnknown(const v1::UnknownTask& unknown, Effects& effects);

  void Accept(FutureState& state, Effects& effects);
  void End(FutureState& state, absl::Status status, Effects& effects);
  void Succeed(TaskId id, std::string result,
               const std::shared_ptr<const std::string>& content_type, Effects& effects);
  void LearnOfEnd(FutureState& state, v1::TaskState end, Effects& effects);
  void CountEnd(v1::TaskState end);
  std::pair<uint64_t, uint64_t> AnsweredNow(uint64_t first, uint64_t last);
  void EndAllOf(FutureStateRef first, const absl::Status& status, Effects& effects);
  bool EndsWhenAccepted(const FutureState& state) const;
  void CancelAccepted(const FutureState& ended);
  static bool IsLetGo(const FutureState& first);
  void ForgetLetGo(Effects& effects);
  void LetGo(FutureState& state, const absl::Status& reason, Effects& effects);
  void Leave(FutureState& state, Effects& effects);
  FutureState* Find(TaskId id) const;
  FutureState* FindSent(uint64_t sequence) const;
  void Insert(FutureStateRef state);
  std::vector<FutureState*> SentInOrder() const;
  void ResendSent();
  void GiveUpSession(Effects& effects);
  void ForgetTasksOf(uint64_t session, Effects& effects);
  void AwaitAccepted();
  // `answer_may_wait`: becomes false when somebody waits for the answer.
  void AppendRuns(std::string& message, int64_t& items, bool& answer_may_wait, Effects& effects);
  void AppendIds(std::string& message, int64_t& items);
  void AppendIds(std::string& message, int64_t& items, int field, std::deque<TaskId>& ids) const;
  bool IsTooLarge(const FutureState& state) const;
  void RefuseTooLarge(FutureState& state, Effects& effects);

  uint64_t session_id_ = 0;
  std::string resume_secret_;
  uint64_t next_sequence_ = 1;
  AnsweredSequences answered_;
  uint64_t told_floor_ = 1;  // the acknowledged_below that was sent last

  // The broker's bounds.
  int64_t batch_tasks_max_ = limits::kBatchTasksMax;
  int64_t payload_bytes_max_ = limits::kPayloadBytesMax;
  int64_t message_bytes_max_ = limits::kPayloadBytesMax;

  ClientStats counts_;

  // By group, while it has any: futures that are not done.
  absl::flat_hash_map<uint32_t, int64_t> pending_of_;

  // Sent and accepted tasks by id; futures of the same task hang on each other.
  TaskMap<FutureStateRef> table_;
  // When the table has so many entries: look which of them nobody holds. Twice what was left the
  // last time, so that looking costs each entry no more than its own coming and going.
  size_t look_at_size_ = kLookAtSizeMin;
  // To send: again those that have a sequence, in its order, then new ones.
  std::deque<FutureStateRef> outgoing_;
  std::deque<TaskId> awaits_;
  std::deque<TaskId> cancels_;
  bool tasks_first_ = false;  // the last message had no room for a task beside its ids
};

}  // namespace treadle::client
