#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "server/engine/census.h"
#include "server/engine/command.h"
#include "server/engine/options.h"
#include "server/engine/output.h"
#include "server/engine/row.h"
#include "server/engine/types.h"
#include "server/engine/view.h"

namespace treadle::engine {

// The rules of Treadle's queues, and nothing else: no clock, thread, file, socket or randomness but
// what it is handed. The same commands at the same times give the same rows and outputs, byte for
// byte.
//
// One thread calls it. A turn of the broker is any number of Step calls and one Tick, all with the
// same `now_ms`, service time, which never goes back from turn to turn.
//
// Memory grows with unfinished tasks, and only with their metadata.
class Engine {
 public:
  explicit Engine(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Recovery: every stored row, in any order, then FinishLoad once, then the first Step. Finished
  // rows, key rows of finished tasks and dead letters need not be given: they are ignored. A row
  // that contradicts another is an error (DATA_LOSS), never guessed around.
  absl::Status Load(const Row& row);
  // Leases found in the rows live for a full lease from now, so that their workers can come back;
  // so do sessions. After FollowWall, if that is needed.
  absl::Status FinishLoad(int64_t now_ms);

  // From now on Unix time is `offset_ms` more than service time (Clock::WallOffsetMs). Until it is
  // told, they are the same. Dates that have come with it are dealt with in the next Tick.
  void FollowWall(int64_t offset_ms);

  // True when a submit with this key must be handed over with what the store knows of it
  // (Submit::known_key).
  bool NeedsKeyLookup(std::string_view queue, std::string_view request_key) const;

  // Applies one command; appends what follows from it. Tasks are leased only in Tick.
  void Step(int64_t now_ms, Command&& command, Effects& effects);
  // Ends a turn: what is due by now happens, then runnable tasks meet free slots until no fitting
  // pair is left. When very much is due at once (100,000 timers, 10,000 tasks of purged queues), it
  // is spread over several turns: NextDeadline then is not after `now_ms`.
  //
  // What has arrived in the last `unheard_ms` was not stepped yet, so no lease that ended within
  // them is over: its holder may have been heard from.
  void Tick(int64_t now_ms, int64_t unheard_ms, Effects& effects);
  void Tick(int64_t now_ms, Effects& effects) { Tick(now_ms, 0, effects); }
  // For so long nobody listened (the process or its machine stood still): every lease, and every
  // time in which a session may be resumed, lasts so much longer, and so long no task waits for a
  // worker. Before the turn's first Step.
  void AddDeafTime(int64_t deaf_ms);
  // Between two turns: looks for tasks and free slots that the last one should have brought
  // together, at about `most` pools, queues and types more. What it finds, the next Tick gives out.
  std::vector<Stall> FindStalls(int64_t most);
  // When Tick has something to do next though no command comes. INT64_MAX: never.
  int64_t NextDeadline() const;

  // The durable state in one number: equal for a live engine and one that was loaded from its rows.
  uint64_t Fingerprint() const;
  // Asserts what must hold between any two steps. Costs time in proportion to the state; for tests.
  void CheckInvariants() const;

  // Views.
  std::optional<TaskView> FindTask(TaskId id) const;
  std::optional<QueueView> FindQueue(std::string_view name, int64_t now_ms) const;
  // Up to `limit` queues by name, those after `after`.
  std::vector<QueueView> ListQueues(std::string_view after, size_t limit, int64_t now_ms) const;
  // Up to `limit` groups of a queue's dead letters, or of all queues' (empty), after the first
  // `skip`: those with the most first.
  std::vector<LetterGroupView> ListLetterGroups(std::string_view queue, size_t skip,
                                                size_t limit) const;
  // Absent: it is no dead letter, or its task's row has been moved.
  std::optional<MovingLetter> FindMoving(TaskId dead) const;
  std::optional<JobView> FindJob(uint64_t id) const;
  // Up to `limit` jobs with ids below `before`, the newest first.
  std::vector<JobView> ListJobs(uint64_t before, size_t limit, bool running_only) const;
  std::optional<DrainView> FindDrain(uint64_t id) const;
  // Up to `limit` drains with ids above `after`, or some of them, at least one; none: there are no
  // more.
  std::vector<DrainView> ListDrains(uint64_t after, size_t limit) const;
  // Up to `limit` workers by id, those after `after`.
  std::vector<WorkerView> ListWorkers(std::string_view after, size_t limit) const;
  // Unfinished tasks that the query is about, until `visit` returns false, which has then not taken
  // that one, or much was looked at: see listing.h for what it costs.
  using VisitTask = absl::FunctionRef<bool(TaskView&& task)>;
  TasksLookedAt LookThroughTasks(const TaskQuery& query, VisitTask visit) const;
  // Up to `limit` runnable tasks of a queue and type, those that will be given out next, as far as
  // that can be told at a glance.
  std::vector<ReadyTask> NextReady(std::string_view queue, const std::string& type,
                                   size_t limit) const;
  // The row that has the payload of an unfinished task; absent: it is none.
  std::optional<TaskId> RowOf(TaskId id) const;
  bool IsUnfinished(TaskId id) const;
  // Its submit waits for room in a full queue.
  bool WaitsForRoom(TaskId id) const;
  // The running task whose lease this is, if it is this call's worker's or a unary one.
  std::optional<TaskId> FindLeased(CallId call, Token token) const;
  EngineTotals Totals() const;
  // Counts about `most` more queues, types and workers. False: that was all.
  bool Continue(Census& census, int64_t most, int64_t now_ms) const;
  // Why the task does not run, or what it does; why its submit waits (its view's state is 0 then).
  std::optional<Explanation> Explain(TaskId id) const;
  // Of a task that would be submitted now. The status with which it would be refused.
  absl::StatusOr<std::vector<ReasonView>> ExplainSubmit(const TaskSpec& spec, Origin origin) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treadle::engine
