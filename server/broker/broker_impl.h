#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"

#include "server/broker/broker.h"
#include "server/broker/free_space.h"
#include "server/broker/gate.h"
#include "server/broker/inbox.h"
#include "server/broker/parked_bodies.h"
#include "server/broker/payload_cache.h"
#include "server/broker/pending_reads.h"
#include "server/broker/progress_table.h"
#include "server/broker/row_codec.h"
#include "server/broker/stored_tasks.h"
#include "server/broker/watchers.h"

namespace treadle::broker {

class View::Internals {
 public:
  const ProgressTable& progress;
  StoredTasks& stored;
  mutable bool rests_on_outcomes = false;
};

// broker.cc: the turn. actions.cc: what requests do before the turn is stored. deliveries.cc: what
// is said after. recovery.cc: the start.
class Broker::Impl : private Outbox {
 public:
  Impl(const BrokerOptions& options, const Clock& clock, store::Store& store, Outbox& outbox);

  absl::Status Recover(absl::AnyInvocable<void(int64_t rows)> progress);
  absl::StatusOr<bool> Turn();
  int64_t NextDeadline() const;
  absl::Status Run();
  TaskId NewTaskId();

  Inbox& inbox() { return *inbox_; }
  const engine::Engine& engine() const { return engine_; }

 private:
  // The call of the broker's own session, which numbers the tasks of unary submits.
  static constexpr engine::CallId kOwnCall{UINT64_MAX};

  // What one turn gathers on its way.
  struct Gathered {
    engine::Effects effects;
    size_t changes_encoded = 0;
    size_t outputs_seen = 0;  // by FreeAnswered
    store::WriteBatch batch;
    // Results of tasks that succeeded, each with the index of its TaskFinished, ascending.
    std::vector<std::pair<size_t, BodyPtr>> results;
    BodyPtr result;                       // of the output that is being said
    absl::flat_hash_set<TaskId> changed;  // watched tasks that were shown to have changed

    void Clear();
  };

  bool SyncsReturned();
  // As far as the gate knows.
  StoreProgress Progress() const { return {writes_later_ ? gate_.written() : 0, gate_.synced()}; }
  // The disk does not keep up.
  bool Overfull() const { return UnsyncedBytes() > options_.unsynced_bytes_max; }
  bool Brimful() const { return UnsyncedBytes() > 2 * options_.unsynced_bytes_max; }
  int64_t UnsyncedBytes() const { return std::max(gate_.waiting_bytes(), store_.PendingBytes()); }
  LaneSet LanesToTake() const;
  void Listen();
  bool BeginTurn(LaneSet lanes);
  void TakeRequests(LaneSet lanes);
  int64_t Take(Lane lane, int64_t requests_max);
  void FinishTurn();
  void AppendRows();
  void SyncIfAwaited();
  absl::Status SyncAll();

  // actions.cc
  void Act(Request& request);
  void Act(engine::Command&& command, BodyPtr body);
  void Submit(engine::Command&& command, BodyPtr body);
  bool Known(TaskId task);
  void Refuse(const engine::Submit& submit, absl::Status status);
  void EndAttempt(engine::Command&& command, BodyPtr body);
  void OpenSession(engine::OpenSession open);
  void CloseCall(engine::CallId call);
  void Await(engine::CallId call, TaskId task, bool watch);
  void Progress(ReportProgress report);
  void Step(engine::Command&& command, TaskId task = {}, const BodyPtr& body = nullptr);
  void EncodeChanges(TaskId task = {}, const BodyPtr& body = nullptr);
  void FreeAnswered();
  BodyPtr BodyOf(const engine::RowChange& change, TaskId task, const BodyPtr& body);

  // deliveries.cc
  void Deliver();
  template <typename Event>
  void Say(engine::Durability after, Event& event) {
    gate_.Say(after, std::move(event));
  }
  void Say(engine::Durability after, engine::SessionOpened& event);
  void Say(engine::Durability after, engine::WorkerAttached& event);
  void Say(engine::Durability after, engine::CancelDone& event);
  void Say(engine::Durability after, engine::Dispatched& event);
  void Say(engine::Durability after, engine::StopAttempt& event);
  void Say(engine::Durability after, engine::EndCall& event);
  void Say(engine::Durability after, engine::TaskChanged& event);
  void Say(engine::Durability after, engine::TaskFinished& event);
  void ReadSome();
  void Read(PendingReads::Read& read);
  int64_t AnswerIfFinished(engine::CallId call, TaskId task);
  // From the gate: what leaves now.
  void Release(std::vector<Delivery> deliveries) override;
  bool IsStillUnknown(const TaskUnknown& unknown);
  void Show(engine::CallId call, TaskId task);
  void Answer(Query& query);
  absl::StatusOr<OutcomeReady> Finished(TaskId task);

  const BrokerOptions options_;
  const Clock& clock_;
  store::Store& store_;
  Outbox& outbox_;

  engine::Engine engine_;
  // Shared with the store's thread, which may call back when this broker is gone.
  const std::shared_ptr<Inbox> inbox_;
  Gate gate_;
  StoredTasks stored_;
  RowEncoder encoder_;
  PayloadCache cache_;
  ParkedBodies parked_;
  Watchers watchers_;
  ProgressTable progress_;
  PendingReads reads_;
  bool writes_later_ = false;  // the store's appends are not written when they return
  int64_t unknowns_said_ = 0;  // and not released yet
  FreeSpace free_space_;

  int64_t now_ms_ = INT64_MIN;  // of the turn: never goes back, whatever the clock does
  int64_t turn_bytes_ = 0;      // of bodies, taken or read in this turn
  absl::Status failure_;        // of the store: nothing is done any more
  Gathered turn_;
  std::vector<engine::CallId> calls_;    // scratch
  std::vector<engine::CallId> resumed_;  // scratch

  std::atomic<uint64_t> own_session_{0};
  std::atomic<uint64_t> last_task_{0};
};

}  // namespace treadle::broker
