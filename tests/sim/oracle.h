#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/broker/broker.h"
#include "server/broker/delivery.h"
#include "server/engine/engine.h"
#include "tests/sim/disk.h"
#include "tests/sim/ledger.h"
#include "tests/sim/timeline.h"
#include "tests/sim/trace.h"

namespace treadle::sim {

// The promises of design.md ("A task's life"), by number.
enum class Promise {
  kNeverLost = 1,          // an acknowledged submit is never lost at the durability it states
  kOneLease = 2,           // one live lease for each task; stale tokens change nothing
  kSafeToRepeat = 3,       // the same request key or sequence is the same task; so are reports
  kOrder = 4,              // FIFO, LIFO, PRIORITY
  kSurvivesStalls = 5,     // a running task with a live worker is not run again
  kAliveMeansWorking = 6,  // runnable tasks and free slots do not stay apart
  kNoUndueBlame = 7,       // only what was executing is blamed for a crash
  kBounded = 8,            // clear errors at every bound; nothing is left over
  kGivenOnce = 9,  // sessions, task ids and tokens never repeat, whatever became of the store
};

// A promise was broken.
struct Violation : std::runtime_error {
  Violation(Promise which, const std::string& what)
      : std::runtime_error("promise " + std::to_string(static_cast<int>(which)) + ": " + what),
        promise(which) {}
  const Promise promise;
};

// What the outside has a right to see. It knows what reached the broker, what the broker said and
// stored, and what workers really did; it shares no code with the engine.
class Oracle final : public Disk::Observer {
 public:
  Oracle(const engine::EngineOptions& options, Trace& trace);

  // oracle_arrivals.cc: a request has reached the broker; a worker has begun to run a task.
  void Arrived(const broker::Request& request);
  void Executing(engine::Token token);
  // Its lease was given, and is not over.
  bool IsLive(engine::Token token) const;

  // oracle_rows.cc: every row that the broker stores.
  void Appended(const store::WriteBatch& batch) override;
  void Durable(const store::WriteBatch& batch) override;
  // All is over, and nothing is under way.
  void CheckLettersAtTheEnd() const;

  // oracle_releases.cc: everything that the broker says.
  void Released(const broker::Delivery& delivery);
  // What the broker's own thread sees when it is asked about a task, and what is then answered.
  void Asked(TaskId task, bool unfinished, bool finished) const;
  void Answered(TaskId task, const broker::OutcomeReady& outcome);
  // This is what somebody has read of a task's output, from its beginning to its end.
  void CheckRead(TaskId task, const std::map<uint64_t, std::string>& read);

  // oracle_turns.cc.
  // The broker listens again. What has passed since the last time, beyond a moment, is counted for
  // no lease.
  void TurnBegins();
  // `stalls`: broker::Figures::stalls.
  void TurnEnded(const engine::Engine& engine, int64_t stalls);
  // Whether tasks and slots are apart is not judged: the broker is to find and to mend that.
  void LeaveStalls() { leaves_stalls_ = true; }
  // The broker died; `power`: with its machine. What is durable now is all that is left.
  void Crashed(bool power);
  // What is durable now may be all that a later life has...
  void BackedUp() { backup_ = durable_; }
  // ... and is from now on; or (`restored` false) nothing is left.
  void StoreLost(bool restored);
  void Starting(engine::Incarnation incarnation, const Clock& clock);
  void Recovered(const engine::Engine& engine);

  // Every task that was accepted, by what is stored.
  const Ledger& ledger() const { return live_; }
  struct Counts {
    uint64_t accepted = 0;
    uint64_t existing = 0;
    uint64_t refused = 0;
    uint64_t leases = 0;
    uint64_t taken_back = 0;  // leases that ended without a report
    uint64_t reports_refused = 0;
    uint64_t outcomes = 0;
    uint64_t unknown = 0;
    uint64_t progress = 0;
    uint64_t crashes = 0;
    uint64_t stores_lost = 0;
    uint64_t thieves = 0;           // who resumed a session without its secret, and were refused
    uint64_t reports_repeated = 0;  // that had been accepted before
    // Of several tasks at once.
    uint64_t runs_leased = 0;
    uint64_t runs_reported = 0;
    uint64_t runs_told = 0;
    uint64_t moved = 0;  // tasks, out of a run's row
    uint64_t letters = 0;
    uint64_t letters_dropped = 0;
    uint64_t letters_redriven = 0;
    uint64_t jobs_done = 0;
    uint64_t circuits_opened = 0;
    uint64_t unserved = 0;  // tasks that failed for that
    uint64_t quarantines = 0;
    uint64_t output_read = 0;  // entries
    int64_t stalls = 0;        // that the broker has found
    std::map<engine::TaskState, uint64_t> ended;

    void Add(const Counts& other);
    std::string ToString() const;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Submission {
    engine::TaskSpec spec;
    std::string payload;
    uint64_t arrival = 0;  // the first one, if it was sent again
  };
  struct Asking {
    TaskId id;
    std::string queue;
    std::string key;
    engine::ContentDigest digest;
    engine::Durability durability{};
    bool sequenced = false;
    bool twice = false;  // sent again on the same call, which may answer both, each otherwise
    engine::CallId call{};
    std::optional<TaskId> key_holder;  // when it was asked
  };
  struct Waiting {  // for room, unless it is refused at once
    TaskId id;
    engine::CallId call{};
    uint64_t arrival = 0;
    int64_t until_ms = 0;
    bool vague = false;  // sent twice on one call, or keyed: its place is not known
    std::optional<TaskId> overtaken_by;
  };
  struct Extension {
    int64_t until_ms = 0;  // in ListenedMs
    bool late = false;     // it came when the lease was over
  };
  struct Lease {
    TaskId task;
    std::string worker;  // empty: unary
    int64_t lease_ms = 0;
    int64_t until_ms = 0;  // unary, in ListenedMs
    // Unary: until when its holder was told that it has it. With extensions that were not answered
    // yet, the shortest of them.
    int64_t promised_until_ms = 0;
    std::map<engine::CallId, Extension> extensions;  // asked for, and not answered
    bool extended = false;
    int64_t told_started_at_ms = INT64_MAX;
    bool executed = false;  // in truth
    bool released = false;  // the worker was told of it
    bool not_named = false;
    // What arrived about it: a crash may have lost the first report, and the next one is another.
    bool reported = false;
    bool reported_failed = false;
    std::optional<int64_t> retry_after_ms;  // as the last failure asked
  };
  struct Told {
    engine::TaskState state{};
    int32_t attempts = 0;
    int64_t finished_at_ms = 0;
    std::string error;
    std::string result;
    bool operator==(const Told&) const = default;
  };
  // An attempt that a circuit breaker may count.
  struct Ended {
    enum class How { kFailed, kSucceeded, kUnknown };
    int64_t at_ms = 0;
    How how{};
    bool is_sure = true;    // that it counts
    bool in_batch = false;  // it ended in the batch at hand
  };
  // A task whose attempt is over.
  struct WaitsAgain {
    int64_t begun_ms = 0;  // in ListenedMs
    int64_t run_at_ms = 0;
  };
  // What a circuit breaker has counted: this at least, and that at most.
  struct Tally {
    int64_t failed_min = 0;
    int64_t failed_max = 0;
    int64_t succeeded_min = 0;  // before the batch at hand
    int64_t ended_max = 0;
    bool fails_now = false;  // one surely does, in the batch at hand
  };
  struct Key {
    TaskId task;
    engine::ContentDigest digest;
  };
  // Of a queue.
  struct Load {
    int64_t tasks = 0;
    int64_t bytes = 0;

    void Add(const engine::TaskRow& row) {
      ++tasks;
      bytes += static_cast<int64_t>(row.spec.payload_bytes);
    }
    void RaiseTo(const engine::QueueConfig& config) {
      tasks = std::max(tasks, config.max_tasks);
      bytes = std::max(bytes, config.max_bytes);
    }
  };
  // Who waits for a submit's answer: a session, on whichever stream it now has, or a unary call.
  struct Asker {
    uint64_t session = 0;
    engine::CallId call{};
    uint64_t item = 0;
    auto operator<=>(const Asker&) const = default;
  };

  // Service time as the broker has it, which no step of the wall clock changes.
  int64_t NowMs() const { return clock_ == nullptr ? 0 : clock_->NowMs(); }
  // A date as service time, as the broker's clocks are now.
  int64_t Moment(int64_t date_ms) const { return date_ms - clock_->WallOffsetMs(); }

  [[noreturn]] void Broken(Promise promise, const std::string& what) const;
  void Expect(bool kept, Promise promise, const std::string& what) const {
    if (!kept) Broken(promise, what);
  }

  void Arrived(const engine::Command& command, const broker::Request& request);
  void ArrivedSubmit(const engine::Submit& submit, const broker::Request& request);
  void ArrivedTask(const engine::Submit& submit, std::string_view payload);
  bool KeyWasSent(engine::CallId call) const;
  void ArrivedUnaryId(TaskId id);
  void ArrivedAttach(const engine::AttachWorker& attach);
  void ArrivedReport(const engine::EndAttempt& report);
  void Heard(engine::CallId stream);
  void AskedAbout(engine::CallId call, TaskId task);

  void Check(const StoredChange& change);
  void CheckAccepted(const engine::TaskRow& row, const std::string& payload);
  void CheckMoved(const Ledger::Task& task, const engine::TaskRow& row, const std::string& payload);
  void CheckRun(const engine::RunRow& row);
  void CheckDropped(TaskId id);
  void CheckAttempt(const engine::AttemptRow& row);
  void CheckGranted(const engine::GrantRow& row, engine::Token token, TaskId id);
  void CheckDue(const Ledger::Task& task, const std::string& what) const;
  void CheckFinished(const engine::FinishedRow& row, const std::string& result);
  // oracle_unserved.cc
  void CheckUnserved(const Ledger::Task& task, int32_t attempts) const;
  void NoteServed(const engine::Engine& engine);
  void CheckKey(const engine::KeyRow& row);
  // oracle_letters.cc
  void CheckLetter(const engine::DeadLetterRow& row);
  void CheckDeadTask(const engine::DeadTaskRow& row, const std::string& payload);
  void CheckRedriven(const engine::TaskRow& row, const std::string& payload);
  void CheckLetterDropped(const std::string& queue, uint64_t number);
  void CheckJob(const engine::JobRow& row);
  // A job is about this one: an unfinished task of this order, or a dead letter of this number.
  bool JobAsked(engine::JobAction action, const std::string& queue, const std::string& type,
                uint64_t number) const;
  void CheckKept(const std::vector<StoredChange>& changes);
  // oracle_pauses.cc
  void AttemptEnded(const std::string& queue, Ended::How how);
  Tally TallyOf(const std::vector<Ended>& ends, int64_t window_ms) const;
  // `queue_rows`: how often the batch has stored which queue's row; `before`: it.
  void CheckPauses(const std::map<std::string, int>& queue_rows, const Ledger::Queues& before);
  void CheckPause(const engine::QueueRow& row, const engine::QueueRow* before, int rows);
  void CheckPausesEnd(const engine::Engine& engine) const;
  void CheckQuarantines(const engine::Engine& engine, const std::vector<engine::TaskView>& queued);
  // The task's lease has ended though nobody reported success.
  void CheckLeaseOver(const Ledger::Task& task, bool attempt_spent);
  const Ledger::Task& Unfinished(TaskId id, const char* what) const;

  void Said(const engine::SessionOpened& event);
  void Said(const engine::Submitted& event);
  void SaidOfTask(const engine::Submitted& event);
  void Said(const engine::QueueChanged& event) { purged_.erase(event.call); }
  void Said(const engine::CancelDone& event);
  void Said(const engine::WorkerAttached& event);
  void Said(const engine::ReportDone& event);
  void Said(const engine::ReportsHandled& event);
  void Said(const engine::LeaseExtended& event);
  void Said(const broker::Leased& leased);
  void SaidOfLease(engine::CallId call, const engine::Lease& given, std::string_view payload);
  void Said(const broker::OutcomeReady& outcome);
  void Said(const broker::TaskUnknown& unknown);
  void Said(const broker::TaskSeen& seen);
  void Said(const broker::OutputTaken& taken);
  template <typename Other>
  void Said(const Other&) {}
  // The task whose request key is in force now, and will be for another `for_ms`.
  std::optional<TaskId> KeyHolder(const Ledger::RequestKey& key, int64_t for_ms) const;
  bool PurgeAsked(const std::string& queue) const;
  void CheckUnknown(TaskId id) const;
  void CheckUnknown(engine::CallId call, TaskId id);
  void CheckTold(const engine::FinishedRow& row);
  void CheckToldOfTask(const engine::FinishedRow& row, const std::string& result);

  void CheckOrder(const engine::Engine& engine, const std::vector<engine::TaskView>& queued) const;
  void CheckWorking(const engine::Engine& engine,
                    const std::vector<engine::TaskView>& queued) const;
  void CheckExplained(const engine::Engine& engine, const std::vector<engine::TaskView>& queued);
  void CheckLost(const engine::TaskView& task, const std::vector<engine::LostTime>& lost);
  // A clock that stands still while the broker does not listen: leases last as long on it.
  int64_t ListenedMs() const { return std::min(NowMs(), listened_at_ms_ + kListensMs) - deaf_ms_; }
  int64_t LeasedBytes(const std::string& worker_id) const;
  bool HoldsLease(const std::string& worker_id) const;
  void CheckBounds(const engine::Engine& engine);

  // A broker that takes no turn for longer than this does not listen.
  static constexpr int64_t kListensMs = 400;

  const engine::EngineOptions options_;
  Trace& trace_;
  const Clock* clock_ = nullptr;  // the broker's; null before its first start

  Ledger live_;     // all that was appended
  Ledger durable_;  // all that is on disk
  Ledger backup_;   // all that was on disk some time ago
  Counts counts_;

  std::map<TaskId, Submission> submissions_;
  uint64_t arrivals_ = 0;
  std::map<Asker, Asking> asking_;
  std::map<engine::CallId, uint64_t> sessions_;  // of streams
  std::map<engine::CallId, engine::OpenSession> opening_;
  // Of all lives: every session that somebody knows, with its secret, and those of unary submits.
  std::map<uint64_t, engine::ResumeSecret> given_sessions_;
  std::set<uint64_t> unary_sessions_;
  std::map<engine::CallId, engine::AcceptedReport> reporting_;  // unary
  std::map<std::string, std::vector<Waiting>> waiting_;
  std::map<TaskId, engine::Durability> acknowledged_;
  std::map<TaskId, Told> told_;
  std::map<Ledger::RequestKey, Key> keys_;
  std::set<TaskId> cancel_asked_;
  std::set<TaskId> drops_asked_;  // dead letters
  std::deque<TaskId> redriven_;   // in this batch, and their dead letters are not dropped yet
  // Cancels and watches of tasks that were not there yet, and not answered so.
  std::map<std::pair<engine::CallId, TaskId>, int64_t> asked_too_early_;
  std::map<engine::CallId, std::string> purged_;    // queues, until it was answered
  std::map<std::string, std::vector<Ended>> ends_;  // of queues, as far as breakers may count
  std::set<std::string> resumes_asked_;             // of queues that are paused, perhaps
  // When at the latest, in ListenedMs, it was seen that a queue's type was served, ...
  std::map<std::pair<std::string, std::string>, int64_t> served_at_ms_;
  std::map<std::string, int64_t> paused_at_ms_;  // ... and that a queue was paused
  std::map<TaskId, WaitsAgain> waits_since_;     // those that had an attempt, in this run

  std::map<engine::Token, Lease> leases_;
  std::map<std::string, int64_t> heard_at_ms_;  // of workers, in ListenedMs
  std::map<engine::CallId, std::string> workers_;
  std::map<std::string, engine::CallId> streams_;
  std::map<engine::CallId, int64_t> attaching_;  // since when, in ListenedMs; not answered yet
  std::map<engine::CallId, std::vector<std::pair<uint64_t, engine::Token>>> reports_;
  std::vector<std::pair<engine::CallId, engine::Token>> reports_at_hand_;
  std::set<std::pair<engine::CallId, engine::Token>> refused_;
  uint64_t last_token_released_ = 0;
  uint64_t last_token_of_earlier_runs_ = 0;
  uint64_t highest_incarnation_ = 0;
  int64_t started_at_ms_ = 0;  // this run of the broker
  int64_t started_listened_ms_ = 0;
  int64_t listened_at_ms_ = 0;  // the latest turn
  int64_t deaf_ms_ = 0;
  int64_t latest_wall_ms_ = 0;  // that the broker ever saw
  bool leaves_stalls_ = false;
  int64_t stalls_ = 0;        // of this run of the broker
  int64_t explained_ms_ = 0;  // up to when its latest explanation went

  // Of the turn at hand.
  std::vector<TaskId> granted_;
  std::set<TaskId> waited_;  // accepted, perhaps in the room that a lease made
  std::map<std::string, Load> accepted_into_;
  std::map<std::string, Load> left_from_;
  std::map<std::string, int64_t> quarantined_;  // since when, worker by worker
  std::map<std::string, Load> waiting_before_;
  std::map<std::string, Load> bounds_before_;  // or, if that was more, at some time in the turn
};

// What a worker returns for a task: names the attempt, so that everybody can tell whose result it
// is.
std::string ResultOf(TaskId task, engine::Token token);
// What an error says that a worker reported; no other says that.
inline constexpr char kReportedError[] = "as it goes";
// The type of the error of a task that nobody served in time; no worker reports such.
inline constexpr char kNoWorkerError[] = "NoWorker";

}  // namespace treadle::sim
