#include "server/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/engine/action_log.h"
#include "server/engine/admission.h"
#include "server/engine/attachments.h"
#include "server/engine/dead_letters.h"
#include "server/engine/dispatch.h"
#include "server/engine/drains.h"
#include "server/engine/explain.h"
#include "server/engine/fingerprint.h"
#include "server/engine/invariants.h"
#include "server/engine/jobs.h"
#include "server/engine/letter_commands.h"
#include "server/engine/lifecycle.h"
#include "server/engine/listing.h"
#include "server/engine/loader.h"
#include "server/engine/lost_time.h"
#include "server/engine/pauses.h"
#include "server/engine/quarantines.h"
#include "server/engine/queue_commands.h"
#include "server/engine/refusals.h"
#include "server/engine/reports.h"
#include "server/engine/runs.h"
#include "server/engine/sessions.h"
#include "server/engine/stalls.h"
#include "server/engine/unserved.h"
#include "server/engine/views.h"

namespace treadle::engine {

// The state and its rules, wired.
class Engine::Impl {
 public:
  explicit Impl(const EngineOptions& options)
      : state_(options),
        log_(state_),
        drains_(state_, log_),
        quarantines_(state_, log_),
        letters_(state_),
        pauses_(state_),
        lifecycle_(state_, letters_, pauses_, quarantines_),
        admission_(state_, lifecycle_),
        sessions_(state_, admission_),
        unserved_(state_, lifecycle_),
        queue_commands_(state_, lifecycle_, admission_, letters_, pauses_, unserved_, log_),
        letter_commands_(state_, letters_, admission_, log_),
        jobs_(state_, lifecycle_, letters_, letter_commands_, log_),
        attachments_(state_, lifecycle_, drains_, quarantines_),
        reports_(state_, lifecycle_),
        runs_(state_),
        dispatch_(state_, lifecycle_, admission_, attachments_),
        stall_watch_(state_),
        loader_(std::make_unique<Loader>(state_, lifecycle_, attachments_, runs_, letters_, pauses_,
                                         jobs_, drains_)) {}

  absl::Status Load(const Row& row) {
    TREADLE_ASSERT(loader_ != nullptr);
    return loader_->Load(row);
  }
  absl::Status FinishLoad(int64_t now_ms) {
    TREADLE_ASSERT(loader_ != nullptr);
    const absl::Status status = loader_->Finish(now_ms);
    loader_ = nullptr;
    return status;
  }

  void Step(int64_t now_ms, Command&& command, Effects& effects) {
    loader_ = nullptr;
    Turn turn = Begin(now_ms, effects);
    after_tick_ = false;
    std::visit([&](auto&& one) { Apply(turn, std::move(one)); }, std::move(command));
    admission_.ServeQueuesWithRoom(turn);
    attachments_.RetireIdle();
  }

  void AddDeafTime(int64_t deaf_ms) {
    TREADLE_ASSERT(deaf_ms >= 0);
    state_.AddDeafTime(deaf_ms);
  }

  void Tick(int64_t now_ms, int64_t unheard_ms, Effects& effects) {
    TREADLE_ASSERT(unheard_ms >= 0);
    state_.unheard_ms = unheard_ms;
    Turn turn = Begin(now_ms, effects);
    int64_t budget = state_.options.timers_per_turn_max;
    bool behind = false;
    jobs_.Continue(turn);
    do {
      for (; budget > 0 && NextDue() <= now_ms; --budget) FireTimer(turn);
      queue_commands_.ContinuePurges(turn);
      admission_.ServeQueuesWithRoom(turn);
      // What was due may be gone by these: then no next turn would come by itself.
      behind = budget == 0 && NextDue() <= now_ms;
      // What should have expired is not to be given out: that waits until all has fired.
      if (!behind) {
        quarantines_.ReleaseNeeded(turn);
        dispatch_.Run(turn);
      }
      // Who came in from waiting may be due already, or need a worker that is in quarantine.
    } while (!behind && (NextDue() <= now_ms || state_.fewer_serve));
    if (!behind) dispatch_.AnswerDuePolls(turn);
    attachments_.RetireIdle();
    runs_.WriteChanged(turn);
    letters_.WriteChanged(turn);
    sessions_.WriteChanged(turn);
    reports_.WriteAccepted(turn);
    if (state_.counters_dirty) turn.Put(state_.counters);
    state_.counters_dirty = false;
    state_.tasks.EndTurn();
    state_.keys.EndTurn();
    after_tick_ = !behind;
  }

  std::vector<Stall> FindStalls(int64_t most) {
    return after_tick_ ? stall_watch_.Look(most) : std::vector<Stall>();
  }

  int64_t NextDeadline() const {
    return state_.purging.empty() ? std::min(NextDue(), jobs_.NextDue()) : state_.now_ms;
  }

  void FollowWall(int64_t offset_ms) { state_.wall_offset_ms = offset_ms; }

  void CheckInvariants() const {
    CheckState(state_, lifecycle_, after_tick_);
    if (after_tick_) quarantines_.CheckNobodyNeeded();
  }

  std::optional<TaskId> FindLeased(CallId call, Token token) const {
    const absl::StatusOr<Task*> task = reports_.Find(call, token);
    if (!task.ok()) return std::nullopt;
    const Worker* const holder = (*task)->lease->worker;
    if (holder != nullptr && holder != state_.calls.WorkerOf(call)) return std::nullopt;
    const uint64_t index = (*task)->lease->IndexOf(token);
    return (*task)->range().At(static_cast<uint32_t>(index));
  }

  absl::StatusOr<std::vector<ReasonView>> ExplainSubmit(const TaskSpec& spec, Origin origin) const {
    const Queue* const known = state_.queues.Find(spec.queue);
    if (absl::Status s = admission_.Check(known, spec, origin, 1); !s.ok()) return s;
    return ReasonsFor(spec, state_);
  }

  const State& state() const { return state_; }
  const DeadLetters& letters() const { return letters_; }
  const Drains& drains() const { return drains_; }

 private:
  Turn Begin(int64_t now_ms, Effects& effects) {
    TREADLE_ASSERT(now_ms >= state_.now_ms);
    state_.now_ms = now_ms;
    return Turn(now_ms, effects);
  }

  void Apply(Turn& turn, BeginLife&& command);
  void Apply(Turn& turn, CreateQueue&& command) { queue_commands_.Apply(turn, command); }
  void Apply(Turn& turn, UpdateQueue&& command) { queue_commands_.Apply(turn, command); }
  void Apply(Turn& turn, DeleteQueue&& command) { queue_commands_.Apply(turn, command); }
  void Apply(Turn& turn, PauseQueue&& command) { queue_commands_.Apply(turn, command); }
  void Apply(Turn& turn, PurgeQueue&& command) { queue_commands_.Apply(turn, command); }
  void Apply(Turn& turn, OpenSession&& command) { sessions_.Apply(turn, command); }
  void Apply(Turn& turn, AcknowledgeSession&& command) { sessions_.Apply(turn, command); }
  void Apply(Turn& turn, CloseSession&& command) { sessions_.Apply(turn, command); }
  void Apply(Turn& turn, Submit&& command) { admission_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, AttachWorker&& command) { attachments_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, Heartbeat&& command) { attachments_.Apply(turn, command); }
  void Apply(Turn& turn, AddCredit&& command) { attachments_.Apply(turn, command); }
  void Apply(Turn& turn, DrainWorker&& command) { attachments_.Apply(turn, command); }
  void Apply(Turn& turn, SetDrain&& command) { drains_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, RemoveDrain&& command) { drains_.Apply(turn, command); }
  void Apply(Turn& turn, ReleaseWorker&& command) { quarantines_.Apply(turn, command); }
  void Apply(Turn& turn, PollTasks&& command) { attachments_.Apply(turn, command); }
  void Apply(Turn& turn, StartAttempt&& command) { reports_.Apply(turn, command); }
  void Apply(Turn& turn, EndAttempt&& command) { reports_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, EndReports&& command) { reports_.Apply(turn, command); }
  void Apply(Turn& turn, ExtendLease&& command) { reports_.Apply(turn, command); }
  void Apply(Turn& turn, CompactRun&& command) { runs_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, MoveDeadTasks&& command) { letters_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, SweepDeadLetters&& command) { letters_.Apply(turn, command); }
  void Apply(Turn& turn, TakeLetters&& command) {
    letter_commands_.Apply(turn, std::move(command));
  }
  void Apply(Turn& turn, LettersFound&& command) {
    letter_commands_.Apply(turn, std::move(command));
  }
  void Apply(Turn& turn, StartJob&& command) { jobs_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, CancelJob&& command) { jobs_.Apply(turn, command); }
  void Apply(Turn& turn, JobLettersFound&& command) { jobs_.Apply(turn, std::move(command)); }
  void Apply(Turn& turn, JobTasksFound&& command) { jobs_.Apply(turn, command); }
  void Apply(Turn&, WatchTask&& command) {
    Task* const task = state_.tasks.Find(command.task);
    if (task == nullptr || (!command.watch && task->count > 1)) return;
    lifecycle_.Part(*task, command.task).watched = command.watch;
  }
  void Apply(Turn& turn, Cancel&& command);
  void Apply(Turn& turn, CallClosed&& command);
  void FireTimer(Turn& turn);
  int64_t NextDue() const {
    return std::min(
        {state_.timers.NextDue(), state_.NextDate(), runs_.NextDue(), letters_.NextDue()});
  }

  State state_;
  ActionLog log_;
  Drains drains_;
  Quarantines quarantines_;
  DeadLetters letters_;
  Pauses pauses_;
  Lifecycle lifecycle_;
  Admission admission_;
  Sessions sessions_;
  Unserved unserved_;
  QueueCommands queue_commands_;
  LetterCommands letter_commands_;
  Jobs jobs_;
  Attachments attachments_;
  Reports reports_;
  Runs runs_;
  Dispatch dispatch_;
  StallWatch stall_watch_;
  std::unique_ptr<Loader> loader_;  // until the first step
  bool after_tick_ = false;
};

void Engine::Impl::Apply(Turn&, BeginLife&& command) {
  const uint64_t first = static_cast<uint64_t>(command.incarnation);
  MetaRow& counters = state_.counters;
  const uint64_t forgotten = counters.next_token > 1 ? kForgottenMax : 0;
  counters.next_session = first > counters.next_session ? first : counters.next_session + forgotten;
  counters.next_token = first > counters.next_token ? first : counters.next_token + forgotten;
  state_.counters_dirty = true;
}

void Engine::Impl::Apply(Turn& turn, Cancel&& command) {
  CancelDone done{command.call, command.item, command.task};
  Durability after = Durability::kMemory;
  if (Task* const task = state_.tasks.Find(command.task)) {
    after = OutcomeDurability(task->durability);
    // Sessions cancel by the thousand.
    if (command.by.has_value()) {
      log_.Note(turn, command.by, ActionKind::kTaskCancelled, command.task.ToString(),
                absl::StrCat("of queue '", *task->queue().name, "', type '", *task->line->type,
                             task->lease == nullptr ? "', which did not run" : "', which ran"),
                command.reason);
    }
    lifecycle_.Cancel(turn, lifecycle_.Part(*task, command.task), command.reason);
  } else if (Waiter* const waiter = state_.waiters.Find(command.task)) {
    admission_.Refuse(turn, *waiter, refusal::NoLongerWaiting("it was cancelled"));
  } else if (state_.tasks.FinishedThisTurn(command.task)) {
    after = Durability::kSynced;
  } else {
    done.status = refusal::NotUnfinished(command.task);
  }
  turn.Say(after, std::move(done));
}

void Engine::Impl::Apply(Turn& turn, CallClosed&& command) {
  Call* const call = state_.calls.Find(command.call);
  if (call == nullptr) return;
  // Each may be the last thing on the call, and takes its entry along.
  Session* const session = std::exchange(call->session, nullptr);
  Worker* const worker = call->worker;
  Poll* const poll = call->poll;
  const bool last = worker == nullptr && poll == nullptr && call->waiters.empty();
  if (session != nullptr) sessions_.Detach(turn, *session);
  if (last) return state_.calls.Release(command.call);
  admission_.Withdraw(turn, *call, refusal::NoLongerWaiting("its call has ended"));
  if (worker != nullptr) attachments_.Detach(*worker);
  if (poll != nullptr) attachments_.EndPoll(*poll);
}

void Engine::Impl::FireTimer(Turn& turn) {
  if (letters_.NextDue() <= turn.now_ms()) return letters_.Due(turn);
  const int64_t due_ms = state_.timers.NextDue();
  if (runs_.NextDue() < std::min(due_ms, state_.NextDate())) return runs_.Due(turn);
  if (state_.NextDate() < due_ms) return lifecycle_.Due(turn, state_.dates.Pop());
  Timed& timed = state_.timers.Pop();
  switch (timed.kind) {
    case TimedKind::kTask:
      return lifecycle_.Due(turn, static_cast<Task&>(timed));
    case TimedKind::kWorker:
      return attachments_.Due(turn, static_cast<Worker&>(timed), due_ms);
    case TimedKind::kPoll:
      // Answered when it is clear that there is nothing for it in this turn either.
      state_.due_polls.push_back(static_cast<Poll&>(timed).call);
      return;
    case TimedKind::kSession:
      return sessions_.Due(turn, static_cast<Session&>(timed), due_ms);
    case TimedKind::kWaiter:
      return admission_.Due(turn, static_cast<Waiter&>(timed));
    case TimedKind::kLetters:
      return letters_.Due(turn, static_cast<LetterBox&>(timed));
    case TimedKind::kPause:
      pauses_.Due(turn, static_cast<PauseEnd&>(timed));
      return unserved_.Follow(static_cast<PauseEnd&>(timed).queue);
    case TimedKind::kLine:
      return unserved_.Due(turn, static_cast<Line&>(timed), due_ms);
    case TimedKind::kDrain:
      return drains_.Due(turn, static_cast<Drain&>(timed));
  }
}

Engine::Engine(const EngineOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Engine::~Engine() = default;

absl::Status Engine::Load(const Row& row) { return impl_->Load(row); }
absl::Status Engine::FinishLoad(int64_t now_ms) { return impl_->FinishLoad(now_ms); }

bool Engine::NeedsKeyLookup(std::string_view queue, std::string_view request_key) const {
  return !request_key.empty() && !impl_->state().keys.Contains(queue, request_key);
}

void Engine::Step(int64_t now_ms, Command&& command, Effects& effects) {
  impl_->Step(now_ms, std::move(command), effects);
}
void Engine::Tick(int64_t now_ms, int64_t unheard_ms, Effects& effects) {
  impl_->Tick(now_ms, unheard_ms, effects);
}
void Engine::AddDeafTime(int64_t deaf_ms) { impl_->AddDeafTime(deaf_ms); }
void Engine::FollowWall(int64_t offset_ms) { impl_->FollowWall(offset_ms); }
std::vector<Stall> Engine::FindStalls(int64_t most) { return impl_->FindStalls(most); }
int64_t Engine::NextDeadline() const { return impl_->NextDeadline(); }

uint64_t Engine::Fingerprint() const { return FingerprintOf(impl_->state()); }
void Engine::CheckInvariants() const { impl_->CheckInvariants(); }

std::optional<TaskView> Engine::FindTask(TaskId id) const {
  const Task* const task = impl_->state().tasks.Find(id);
  return task == nullptr ? std::nullopt : std::optional(ViewOf(*task, id, impl_->state()));
}

std::optional<Explanation> Engine::Explain(TaskId id) const {
  const State& state = impl_->state();
  if (const Task* const task = state.tasks.Find(id)) {
    return Explanation{ViewOf(*task, id, state), ReasonsOf(*task, id, state),
                       LostTimesOf(*task, state)};
  }
  if (const Waiter* const waiter = state.waiters.Find(id)) {
    return Explanation{ViewOf(*waiter, state), ReasonsOf(*waiter, state),
                       LostTimesOf(*waiter, state)};
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<ReasonView>> Engine::ExplainSubmit(const TaskSpec& spec,
                                                              Origin origin) const {
  return impl_->ExplainSubmit(spec, origin);
}

std::optional<QueueView> Engine::FindQueue(std::string_view name, int64_t now_ms) const {
  const Queue* const queue = impl_->state().queues.Find(name);
  return queue == nullptr ? std::nullopt : std::optional(ViewOf(*queue, now_ms, impl_->state()));
}

std::vector<QueueView> Engine::ListQueues(std::string_view after, size_t limit,
                                          int64_t now_ms) const {
  const QueueTable::Map& all = impl_->state().queues.all();
  std::vector<QueueView> views;
  for (auto it = all.upper_bound(after); it != all.end() && views.size() < limit; ++it) {
    if (it->second->declared) views.push_back(ViewOf(*it->second, now_ms, impl_->state()));
  }
  return views;
}

std::vector<LetterGroupView> Engine::ListLetterGroups(std::string_view queue, size_t skip,
                                                      size_t limit) const {
  return engine::ListLetterGroups(impl_->state(), queue, skip, limit);
}

std::optional<MovingLetter> Engine::FindMoving(TaskId dead) const {
  return impl_->letters().FindMoving(dead);
}

std::optional<JobView> Engine::FindJob(uint64_t id) const {
  const std::map<uint64_t, Job>& all = impl_->state().jobs.all;
  const auto found = all.find(id);
  return found == all.end() ? std::nullopt : std::optional(ViewOf(found->second));
}

std::vector<JobView> Engine::ListJobs(uint64_t before, size_t limit, bool running_only) const {
  const std::map<uint64_t, Job>& all = impl_->state().jobs.all;
  std::vector<JobView> views;
  for (auto it = all.lower_bound(before); it != all.begin() && views.size() < limit;) {
    const Job& job = (--it)->second;
    if (!running_only || job.running()) views.push_back(ViewOf(job));
  }
  return views;
}

std::optional<DrainView> Engine::FindDrain(uint64_t id) const { return impl_->drains().Find(id); }

std::vector<DrainView> Engine::ListDrains(uint64_t after, size_t limit) const {
  return impl_->drains().List(after, limit);
}

std::vector<WorkerView> Engine::ListWorkers(std::string_view after, size_t limit) const {
  const State& state = impl_->state();
  const HolderTable::Workers& all = state.holders.workers();
  std::vector<WorkerView> views;
  for (auto it = all.upper_bound(after); it != all.end() && views.size() < limit; ++it) {
    views.push_back(ViewOf(*it->second, state));
  }
  return views;
}

TasksLookedAt Engine::LookThroughTasks(const TaskQuery& query, VisitTask visit) const {
  return engine::LookThroughTasks(impl_->state(), query, visit);
}

std::vector<ReadyTask> Engine::NextReady(std::string_view queue, const std::string& type,
                                         size_t limit) const {
  std::vector<ReadyTask> next;
  const Queue* const found = impl_->state().queues.Find(queue);
  if (found == nullptr) return next;
  const auto line = found->lines.find(type);
  if (line == found->lines.end()) return next;
  line->second->ready.VisitFirst(limit, [&next](const Task& task) {
    next.push_back({task.row(), task.count, task.payload_bytes});
  });
  return next;
}

std::optional<TaskId> Engine::RowOf(TaskId id) const {
  const Task* const task = impl_->state().tasks.Find(id);
  return task == nullptr ? std::nullopt : std::optional(task->row());
}

bool Engine::IsUnfinished(TaskId id) const { return impl_->state().tasks.Find(id) != nullptr; }

bool Engine::WaitsForRoom(TaskId id) const { return impl_->state().waiters.Find(id) != nullptr; }

std::optional<TaskId> Engine::FindLeased(CallId call, Token token) const {
  return impl_->FindLeased(call, token);
}

bool Engine::Continue(Census& census, int64_t most, int64_t now_ms) const {
  return ContinueCensus(impl_->state(), now_ms, most, census);
}

EngineTotals Engine::Totals() const {
  const State& state = impl_->state();
  EngineTotals totals;
  totals.unfinished_tasks = static_cast<int64_t>(state.tasks.size());
  totals.waiting_submits = static_cast<int64_t>(state.waiters.size());
  totals.waiting_bytes = state.waiters.held_bytes();
  totals.queues = state.queues.declared_count();
  totals.workers = static_cast<int64_t>(state.holders.workers().size());
  totals.sessions = static_cast<int64_t>(state.sessions.size());
  totals.calls = static_cast<int64_t>(state.calls.all().size());
  totals.undeclared_queues = static_cast<int64_t>(state.queues.all().size()) - totals.queues;
  return totals;
}

}  // namespace treadle::engine
