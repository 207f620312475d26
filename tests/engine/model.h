#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/engine.h"

// What the engine should do, in plain maps and vectors that are searched from end to end: slow, and
// simple enough to be believed.
//
// Whom a task is given to is the engine's choice: the model takes its choice and checks that it was
// an allowed one, and that nothing more could have been given. All else it predicts.
//
// It knows single tasks only: see single_tasks.h.

namespace treadle::engine {

struct ModelTask {
  TaskSpec spec;
  TaskId id;
  uint64_t order = 0;
  int64_t submitted_at_ms = 0;
  int64_t run_at_ms = 0;
  bool run_at_is_date = false;
  TaskState state = TaskState::kQueued;
  int64_t queued_at_ms = 0;  // while it is
  int32_t spent = 0;
  Token last_token{};
  bool cancel_requested = false;
  bool suspect = false;
  int32_t losses = 0;
  int32_t returns = 0;
  bool watched = false;
  bool doomed = false;                // waited when its queue was purged
  bool late = false;                  // came in from waiting, in this very Tick
  std::vector<FailedAttempt> failed;  // all of them
  // While it runs.
  Token token{};
  std::string worker;  // its id; empty: a poll
  std::string holder;  // its name
  int32_t pool = 0;
  bool started = false;
  int64_t granted_at_ms = 0;
  int64_t started_at_ms = 0;
  int64_t lease_ms = 0;  // that a restart gives it
  int64_t expires_at_ms = 0;
  bool timed_out = false;
};

struct ModelWaiter {
  Submit submit;
  int64_t until_ms = 0;
};

struct ModelLetter {
  TaskId id;
  std::string type;
  std::string error_type;
  int64_t since_ms = 0;
};

struct ModelQueue {
  QueueConfig config;
  bool paused = false;
  int64_t resume_at_ms = INT64_MAX;  // while it is paused
  int64_t resumed_at_ms = 0;         // or its purge was over
  bool closed = false;
  std::vector<CallId> purges;
  std::vector<ModelLetter> letters;  // the oldest first
  // In line; those with the same request key stand together, the first of them for all.
  std::vector<std::vector<ModelWaiter>> line;
};

struct ModelPool {
  PoolSpec spec;
  int32_t credit = 0;
};

struct ModelWorker {
  CallId call{};
  std::string name;
  std::vector<std::string> queues;
  std::vector<ModelPool> pools;
  bool draining = false;
  int64_t heard_at_ms = 0;
};

struct ModelSession {
  uint64_t floor = 1;
  std::set<uint64_t> accepted;
  CallId call{};
  int64_t expires_at_ms = 0;  // without a call
  ResumeSecret secret;
  bool had_task = false;
  uint64_t left = 0;  // without a call: its place among those that were left
};

struct ModelKey {
  TaskId task;
  ContentDigest digest;
  int64_t expires_at_ms = 0;
  bool finished_this_turn = false;
};

class Model {
 public:
  explicit Model(const EngineOptions& options) : options_(options) {}

  void Step(int64_t now_ms, const Command& command);
  // `given`: what the engine gave in this Tick, each lease of one task.
  void Tick(int64_t now_ms, const std::vector<Dispatched>& given);
  void Restart(int64_t now_ms);
  // What a reading has found for this command.
  void Found(int64_t now_ms, const TakeLetters& take, const LettersFound& found);
  void FollowWall(int64_t set_by_ms) { wall_set_by_ms_ = set_by_ms; }

  // What was to be said since the last time, but for Dispatched with tasks: sorted text.
  std::vector<std::string> TakeSaid();
  // Asserts that the engine's views are the model's.
  void CheckViews(const Engine& engine, int64_t now_ms) const;

  // For whoever makes up commands.
  const std::map<TaskId, ModelTask>& tasks() const { return tasks_; }
  const std::map<std::string, ModelWorker>& workers() const { return workers_; }
  const std::map<uint64_t, ModelSession>& sessions() const { return sessions_; }
  const std::map<CallId, PollTasks>& polls() const { return polls_; }
  const std::map<std::string, ModelQueue>& queues() const { return queues_; }
  std::vector<CallId> WaitingCalls() const;

 private:
  void CheckLetters(const Engine& engine, const std::string& name, const ModelQueue& queue,
                    const QueueView& view) const;
  void CheckExplained(const Engine& engine, TaskId id, const ModelTask& task, int64_t now_ms) const;
  void Say(Event event);

  // model.cc: queues, sessions, calls.
  void Apply(const BeginLife& command);
  void Apply(const CreateQueue& command);
  void Apply(const UpdateQueue& command);
  void Apply(const DeleteQueue& command);
  void Apply(const PauseQueue& command);
  void Apply(const PurgeQueue& command);
  void Resume(ModelQueue& queue);
  void Apply(const OpenSession& command);
  void Apply(const AcknowledgeSession& command);
  void Apply(const CloseSession& command);
  void Apply(const CallClosed& command);
  void Apply(const Cancel& command);
  void Apply(const WatchTask& command);
  // What these do is nobody's to see.
  void Apply(const CompactRun&) {}
  void Apply(const MoveDeadTasks&) {}
  void Apply(const TakeLetters&) {}
  void Apply(const StartJob&) {}  // see scripts/jobs.txt, this and the next three
  void Apply(const CancelJob&) {}
  void Apply(const JobLettersFound&) {}
  void Apply(const JobTasksFound&) {}
  void Apply(const SweepDeadLetters& command);
  void Apply(const LettersFound&) {}  // see Found
  absl::Status TakeOne(const TakeLetters& take, const LettersFound::Letter& letter, TaskId new_id);
  ModelSession* SessionOf(CallId call);
  bool IsOpen(CallId call);
  void DropEmptySessions();

  // model_submit.cc
  void Apply(const Submit& command);
  void ApplyOne(const Submit& submit);
  // Why it is not accepted, whether there is room or not; kOk: nothing is in its way.
  absl::StatusCode RefusalOf(const TaskSpec& spec);
  bool AnswerRepeat(const Submit& submit);
  bool AnswerKey(const Submit& submit);
  void Refuse(const Submit& submit, absl::StatusCode code);
  void Accept(const Submit& submit, bool late);
  bool Fits(const std::string& queue, uint64_t bytes) const;
  int64_t WaitersOf(const std::string& queue) const;
  void Serve(bool late);
  void DropWaiters(absl::StatusCode code, const std::function<bool(const ModelWaiter&)>& which);

  // model_attempts.cc
  void Apply(const AttachWorker& command);
  void Apply(const Heartbeat& command);
  void Apply(const AddCredit& command);
  void Apply(const DrainWorker& command);
  void Apply(const SetDrain&) {}  // see scripts/drain.txt, this and the next
  void Apply(const RemoveDrain&) {}
  void Apply(const ReleaseWorker&) {}  // see scripts/quarantine.txt
  void Apply(const StartAttempt& command);
  void Apply(const EndAttempt& command);
  void ApplyOne(const EndAttempt& end);
  void Apply(const EndReports& command);
  void Apply(const PollTasks& command);
  void Apply(const ExtendLease& command);
  ModelWorker* WorkerOf(CallId call);
  bool HoldsSomething(const std::string& worker_id) const;
  void Detach(ModelWorker& worker);
  void RetireIdle();
  // Null: there is none.
  ModelTask* Leased(Token token);
  // The same, of those that this call may speak for.
  ModelTask* Reportable(CallId call, Token token);
  void EndLease(ModelTask& task);
  void Requeue(ModelTask& task);
  void FailAttempt(ModelTask& task, TaskError error, bool at_once);
  void GiveBack(ModelTask& task);
  void LoseLease(ModelTask& task);
  void Stop(const ModelTask& task, StopReason reason);
  void Finish(ModelTask& task, TaskState state, int32_t attempts, TaskError error,
              BodyPart body = {});
  void Enter(ModelTask& task);
  void Changed(const ModelTask& task);

  // model_tick.cc
  struct Due {
    int64_t at_ms;
    std::function<void()> act;
  };
  std::optional<Due> FirstDue();
  void Expire(ModelTask& task);
  // Somebody is there who takes tasks of this type, or will when he has ended those that he has.
  bool Served(const std::string& queue, const std::string& type) const;
  void NoteServed();
  int64_t FailsUnservedAt(const ModelTask& task) const;
  void Purge();
  void Give(const std::vector<Dispatched>& given);
  bool GiveOne(const Lease& lease, CallId call);
  void CheckOrder(const std::vector<Dispatched>& given) const;
  void CheckNothingLeft() const;
  bool Blocked(const std::string& worker_id) const;
  bool HoldsLease(const std::string& worker_id) const;

  const EngineOptions options_;
  // When it is due, in service time as the clocks are now.
  int64_t RunAt(const ModelTask& task) const {
    return task.run_at_ms - (task.run_at_is_date ? wall_set_by_ms_ : 0);
  }
  int64_t Deadline(const ModelTask& task) const {
    if (task.spec.deadline_at_ms != 0) return task.spec.deadline_at_ms - wall_set_by_ms_;
    if (task.spec.deadline_in_ms != 0) return task.submitted_at_ms + task.spec.deadline_in_ms;
    return INT64_MAX;
  }
  int64_t AttemptEndsBy(const ModelTask& task) const;

  int64_t now_ms_ = 0;
  int64_t loaded_at_ms_ = 0;
  int64_t wall_set_by_ms_ = 0;
  std::vector<std::string> said_;
  std::map<std::string, ModelQueue> queues_;
  std::map<TaskId, ModelTask> tasks_;
  std::set<TaskId> finished_this_turn_;
  // Of those queues and types that have tasks: which are served, and when others last were.
  std::set<std::pair<std::string, std::string>> served_;
  std::map<std::pair<std::string, std::string>, int64_t> left_at_ms_;
  std::map<std::pair<std::string, std::string>, ModelKey> keys_;
  std::map<uint64_t, ModelSession> sessions_;
  std::map<std::string, ModelWorker> workers_;
  std::map<CallId, PollTasks> polls_;
  std::map<CallId, int64_t> poll_until_ms_;
  std::vector<AcceptedReport> reports_;     // unary ones
  std::map<uint64_t, LettersTaken> taken_;  // by reading
  uint64_t next_session_ = 1;
  uint64_t next_left_ = 1;
  uint64_t next_order_ = 1;
  uint64_t next_token_ = 1;
};

// An output as the model and the engine must agree on it: codes, not sentences.
std::string Visible(const Event& event);

}  // namespace treadle::engine
