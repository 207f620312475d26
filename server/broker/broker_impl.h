#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"

#include "server/broker/broker.h"
#include "server/broker/call_queue.h"
#include "server/broker/free_space.h"
#include "server/broker/gate.h"
#include "server/broker/held_requests.h"
#include "server/broker/inbox.h"
#include "server/broker/late_leases.h"
#include "server/broker/output_readers.h"
#include "server/broker/outputs.h"
#include "server/broker/payload_cache.h"
#include "server/broker/progress_table.h"
#include "server/broker/read_ahead.h"
#include "server/broker/reads.h"
#include "server/broker/row_codec.h"
#include "server/broker/stored_tasks.h"
#include "server/broker/task_traces.h"
#include "server/broker/watchers.h"

namespace treadle::broker {

class View::Internals {
 public:
  const ProgressTable& progress;
  const Outputs& outputs;
  const Broker::Impl& broker;
};

// What was asked and may need the store. CancelDone: of a task that is not unfinished; whether it
// has ended is to be read.
using Question = std::variant<AwaitTask, WatchTask, engine::CancelDone, AskQuery>;

// broker.cc: the turn. actions.cc: what requests do before the turn is stored. task_output.cc: what
// tasks say while they run. deliveries.cc: what is said after. held.cc: what waits for the store to
// be read. recovery.cc: the start.
class Broker::Impl : private Outbox {
 public:
  Impl(const BrokerOptions& options, ServiceClock& clock, store::Store& store, Outbox& outbox,
       SpanSink* spans);

  absl::Status Recover(engine::Incarnation incarnation,
                       absl::AnyInvocable<void(int64_t rows)> progress);
  absl::StatusOr<bool> Turn();
  int64_t NextDeadline() const;
  absl::Status Run();
  TaskId NewTaskIds(uint32_t count);

  Inbox& inbox() { return *inbox_; }
  const engine::Engine& engine() const { return engine_; }
  Holdings holdings() const;
  Figures figures() const;
  const BrokerOptions& options() const { return options_; }
  void Visit(absl::AnyInvocable<void(const View&)>& visit) const;
  std::vector<engine::CallId> WaitForStore() const;

 private:
  // The call of the broker's own session, which numbers the tasks of unary submits.
  static constexpr engine::CallId kOwnCall{UINT64_MAX};

  // What one turn gathers on its way.
  struct Gathered {
    engine::Effects effects;
    size_t changes_encoded = 0;
    store::WriteBatch batch;
    std::vector<LateLeases::Missing> missing;
    std::vector<OutputTaken> output_taken;
    // Queues and types of which payloads are to be read ahead.
    std::vector<std::pair<engine::Name, engine::Name>> read_on;
    absl::flat_hash_set<TaskId> changed;         // watched tasks that were shown to have changed
    absl::flat_hash_set<engine::CallId> closed;  // nothing is kept for them any more

    void Clear();
  };

  // When the store's writes, or its syncs, last got on, or were not waited for.
  struct Advance {
    int64_t moved_at_ms = 0;
    store::Sequence reached = 0;

    void Follow(bool awaited, store::Sequence sequence, int64_t now_ms) {
      const bool moved = std::exchange(reached, sequence) != sequence;
      if (moved || !awaited) moved_at_ms = now_ms;
    }
  };

  bool StoreReturned();
  // Of the store's progress, as far as it would change nothing now for who takes from these lanes.
  StoreProgress Seen(LaneSet lanes) const;
  int64_t UnsyncedBytes() const { return gate_.waiting_bytes() + store_.UnwrittenBytes(); }
  bool Overfull() const { return UnsyncedBytes() > options_.unsynced_bytes_max; }
  LaneSet LanesToTake() const;
  void Listen();
  bool BeginTurn(LaneSet lanes);
  // True: there is something to give out.
  bool MendStalls();
  void FollowReads();
  bool TurnIsFull() const;
  void TakeRequests(LaneSet lanes);
  int64_t Take(Lane lane, int64_t requests_max);
  void FinishTurn();
  // The engine hears of the wall clock; true: the store is to hear where the clocks are.
  bool FollowClock();
  void MarkClock();
  void AppendRows();
  void SyncIfAwaited();
  absl::Status SyncAll();

  // recovery.cc
  absl::Status Load(engine::Row row);

  // held.cc
  bool HoldBack(Request& request);
  void GoOn();
  bool GoOn(engine::CallId call);
  void ReadKeys();
  void ReadMoreAhead();
  void ReadMissing();
  void FoundMissing(const std::vector<LateLeases::Missing>& missing, std::vector<BodyPtr> bodies);

  // actions.cc
  void Act(Request& request);
  void ActNow(Request& request);
  void Act(engine::Command&& command, BodyPtr body);
  void Prepare(engine::Submit& submit, BodyPtr payload);
  void Prepare(engine::EndAttempt& end, BodyPtr body);
  void CloseCall(engine::CallId call);
  void Await(engine::CallId call, TaskId task, bool watch);
  // False: it would be one more than may wait; the call is ended.
  bool MayWait(engine::CallId call);
  void Progress(ReportProgress report);
  void Step(engine::Command&& command);
  void EncodeChanges();
  void Note(const engine::Row& row);
  int64_t UnixMs() const { return now_ms_ + clock_.WallOffsetMs(); }
  void Trace(const Leased& leased);

  // task_output.cc
  void Take(TakeOutput output);
  void SayOutputTaken();
  void Await(AwaitOutput wait);
  void PutOutputRows();
  void TellReaders(TaskId task, uint64_t next);
  void EndOutputs();
  void SweepOutputs();

  // deliveries.cc
  void Deliver();
  template <typename Event>
  void Say(engine::Durability after, Event& event) {
    gate_.Say(after, std::move(event));
  }
  void Say(engine::Durability after, engine::SessionOpened& event);
  void Say(engine::Durability after, engine::CancelDone& event);
  void Say(engine::Durability after, engine::Dispatched& event);
  BodyPart PayloadOf(const engine::Lease& lease);
  void SayBehindLeases(engine::CallId call, engine::Durability after, Delivery delivery);
  void Say(engine::Durability after, engine::StopAttempt& event);
  void Say(engine::Durability after, engine::EndCall& event);
  void Say(engine::Durability after, engine::QuarantineNews& event);
  void Say(engine::Durability after, engine::TaskChanged& event);
  void Say(engine::Durability after, engine::TaskFinished& event);
  void Say(engine::Durability after, engine::CompactionDue& event);
  void Say(engine::Durability after, engine::LetterMovesDue& event);
  void Say(engine::Durability after, engine::LettersWanted& event);
  void Say(engine::Durability after, engine::JobLettersWanted& event);
  void Say(engine::Durability after, engine::JobTasksWanted& event);
  void Say(engine::Durability after, engine::SweepDue& event);
  // Dead letters that the engine has asked for, with ids for the tasks that they may become.
  template <typename Letters>
  void Found(Letters found);
  void AnswerQuestions();
  void Ask(Question& question);
  void AskForOutcome(engine::CallId call, TaskId task);
  void TellOutcome(engine::CallId call, TaskId task, absl::StatusOr<OutcomeReady> finished);
  // From the gate: what leaves now.
  void Release(std::vector<Delivery> deliveries) override;
  bool IsStillUnknown(const TaskUnknown& unknown);
  void Show(engine::CallId call, TaskId task);
  void Answer(AskQuery& ask);

  const BrokerOptions options_;
  ServiceClock& clock_;
  store::Store& store_;
  Outbox& outbox_;

  engine::Engine engine_;
  // Shared with the store's thread, which may call back when this broker is gone.
  const std::shared_ptr<Inbox> inbox_;
  Gate gate_;
  RowEncoder encoder_;
  PayloadCache cache_;
  ReadAhead ahead_;
  LateLeases late_;
  HeldRequests held_;
  Watchers watchers_;
  ProgressTable progress_;
  Outputs outputs_;
  OutputReaders output_readers_;
  TaskTraces traces_;
  CallQueue<Question> questions_;
  int64_t unknowns_said_ = 0;  // and not released yet
  FreeSpace free_space_;
  TurnFigures turn_figures_;
  SyncTimes sync_times_{turn_figures_};

  int64_t now_ms_ = INT64_MIN;  // of the turn: never goes back, whatever the clock does
  Advance writes_;
  Advance syncs_;
  LaneSet lanes_;             // that the turn takes from
  int64_t turn_bytes_ = 0;    // of bodies, taken in this turn
  int64_t looked_at_ms_ = 0;  // for stalls
  int64_t stalls_ = 0;
  int64_t marked_at_ms_ = 0;    // when the store last heard where the clocks are
  bool clock_was_set_ = false;  // since then
  bool writes_behind_ = false;  // the store does: see store::Store::SetOnWritten
  absl::Status failure_;        // of the store: nothing is done any more
  Reads store_reads_;
  std::deque<Reads::Then> found_;  // by reads, and not followed yet
  // Calls whose held requests may be free, the next one last; and more of them since.
  std::vector<engine::CallId> go_on_;
  bool keys_found_ = false;
  Gathered turn_;
  std::vector<engine::RowChange> output_rows_;  // scratch, this and those below
  std::vector<AskQuery> awaited_;
  std::vector<engine::CallId> calls_;
  std::vector<engine::CallId> resumed_;

  std::atomic<uint64_t> own_session_{0};
  std::atomic<uint64_t> last_task_{0};
};

}  // namespace treadle::broker
