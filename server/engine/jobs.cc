#include "server/engine/jobs.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#include "proto/search/filter.h"
#include "proto/search/match.h"
#include "proto/support/assert.h"
#include "proto/support/limits.h"
#include "proto/support/task_id.h"
#include "server/engine/refusals.h"
#include "server/engine/task_record.h"
#include "server/engine/views.h"

namespace treadle::engine {
namespace {

// In one turn, of one job. A step is to cost others less than they notice.
constexpr int64_t kLettersAtOnce = 250;
constexpr int64_t kCancelsAtOnce = 1'000;
constexpr int64_t kObjectsAtOnce = 10'000;
// Of these, those that a filter is asked about, some microseconds each; and, where it asks for
// headers, what is read for them: see TaskRun::bytes.
constexpr int64_t kCloseLooksAtOnce = 2'000;
constexpr uint64_t kHeaderBytesAtOnce = uint64_t{16} << 20;
// A slow pace has several steps a second.
constexpr int64_t kStepsPerSecond = 4;
// When the queue that a job submits to is full, or dead letters are being moved.
constexpr int64_t kTryAgainMs = limits::kSecondMs;
constexpr int64_t kMovesMs = 100;

constexpr size_t kRefusalsKept = 4;

// What may pass: the task stays, and the job tries it again.
bool MayPass(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status) ||
         absl::IsNotFound(status);
}

// In which tasks differ that one object stands for.
constexpr search::FieldSet kOfEach = search::SetOf(search::Field::kId) |
                                     search::SetOf(search::Field::kText) |
                                     search::SetOf(search::Field::kSize);
constexpr search::FieldSet kHeaders = search::SetOf(search::Field::kHeader);
constexpr search::FieldSet kInMemory = search::kAllFields & ~kHeaders;

bool AsksHeaders(const Job& job) {
  return job.filter != nullptr && (job.filter->fields() & kHeaders) != 0;
}

// Null: it has none.
absl::StatusOr<std::shared_ptr<const search::Filter>> FilterOf(const JobSpec& spec) {
  if (spec.filter.empty()) return nullptr;
  absl::StatusOr<search::Filter> filter = search::Parse(spec.filter);
  if (!filter.ok()) return filter.status();
  return std::make_shared<const search::Filter>(*std::move(filter));
}

// By all but its filter.
bool Matches(const JobSpec& spec, const Task& task) {
  return (spec.queue.empty() || *task.queue().name == spec.queue) &&
         (spec.match.type.empty() || *task.line->type == spec.match.type) &&
         (spec.states == 0 || (spec.states & (1u << static_cast<uint32_t>(task.state))) != 0);
}

// The next one, or several of a run, that the job is to look at; null: there are no more.
const Task* TaskFrom(uint64_t next, const Job& job, const State& state) {
  const auto at = state.tasks.From(next);
  const bool over = at == state.tasks.in_order().end() || at->second->order >= job.row.end;
  return over ? nullptr : at->second;
}

// By these of its filter's fields, as things are now.
bool Takes(const State& state, const Job& job, const Task& task, TaskId id,
           search::FieldSet fields) {
  const TaskView view = ViewOf(task, id, state);
  const TaskRecord record(view, job.row.started_at_ms);
  return search::Matches(*job.filter, record.fields(), fields);
}

// One step of a job that cancels: looks at tasks until it has found so many, or has looked at many.
class TaskLook {
 public:
  TaskLook(const State& state, const Job& job, size_t most)
      : state_(state), job_(job), most_(most) {
    step_.next = job.row.next;
  }

  TaskStep Take() {
    const Task* task = TaskFrom(step_.next, job_, state_);
    for (int64_t objects = 0; task != nullptr && !stopped_ && objects < kObjectsAtOnce; ++objects) {
      const uint64_t first = std::max(step_.next, task->order);
      step_.next = task->order + task->count;
      if (Matches(job_.row.spec, *task)) AddMatches(*task, first);
      step_.looked_at += static_cast<int64_t>(step_.next - first);
      task = TaskFrom(step_.next, job_, state_);
    }
    return std::move(step_);
  }

 private:
  // Of those that `task` stands for, from `first` in the order on.
  void AddMatches(const Task& task, uint64_t first) {
    const auto id_of = [&task](uint64_t order) {
      return TaskId{task.id.session, task.id.sequence + (order - task.order)};
    };
    const search::FieldSet fields = job_.filter == nullptr ? 0 : job_.filter->fields();
    if ((fields & kInMemory & ~kOfEach) != 0) {
      if (!MayLook()) return StopAt(first);
      if (!Takes(state_, job_, task, id_of(first), kInMemory & ~kOfEach)) return;
    }
    for (uint64_t order = first; order < task.order + task.count; ++order) {
      if (step_.matches.size() == most_) return StopAt(order);
      if ((fields & kOfEach) != 0) {
        if (!MayLook()) return StopAt(order);
        if (!Takes(state_, job_, task, id_of(order), kOfEach)) continue;
      }
      if ((fields & kHeaders) != 0 && !MayRead(task)) return StopAt(order);
      const int64_t before = step_.looked_at + static_cast<int64_t>(order - first);
      step_.matches.push_back({id_of(order), task.row(), before, order});
    }
    if (step_.matches.size() == most_) stopped_ = true;
  }

  bool MayLook() { return looks_++ < kCloseLooksAtOnce; }
  // The tasks of a run have one row, which is read once.
  bool MayRead(const Task& task) {
    if (!step_.matches.empty() && step_.matches.back().row == task.row()) return true;
    if (bytes_ >= kHeaderBytesAtOnce) return false;
    bytes_ += task.run == nullptr ? task.payload_bytes : task.run->bytes();
    return true;
  }
  void StopAt(uint64_t order) {
    step_.next = order;
    stopped_ = true;
  }

  const State& state_;
  const Job& job_;
  const size_t most_;
  TaskStep step_;
  bool stopped_ = false;
  int64_t looks_ = 0;
  uint64_t bytes_ = 0;
};

void Note(JobRow& row, TaskId task, const absl::Status& status) {
  ++row.refused;
  if (row.refusals.size() == kRefusalsKept) return;
  row.refusals.push_back(
      {task, static_cast<int32_t>(status.code()), std::string(status.message())});
}

// "redrives dead letters of queue 'mail', type 'send', into queue 'slow'".
std::string Described(const JobSpec& spec) {
  const bool tasks = spec.action == JobAction::kCancelTasks;
  std::string text = tasks                                      ? "cancels unfinished tasks"
                     : spec.action == JobAction::kDeleteLetters ? "deletes dead letters"
                                                                : "redrives dead letters";
  if (!spec.queue.empty()) absl::StrAppend(&text, " of queue '", spec.queue, "'");
  if (!spec.match.type.empty()) absl::StrAppend(&text, ", type '", spec.match.type, "'");
  if (spec.match.group.has_value()) absl::StrAppend(&text, ", of one group");
  if (!spec.filter.empty()) absl::StrAppend(&text, " that match ", spec.filter);
  if (!spec.to.queue.empty()) absl::StrAppend(&text, ", into queue '", spec.to.queue, "'");
  if (spec.dry_run) absl::StrAppend(&text, " (dry run)");
  return text;
}

void Answer(Turn& turn, CallId call, absl::Status status, uint64_t job = 0) {
  const Durability after = status.ok() ? Durability::kSynced : Durability::kMemory;
  turn.Say(after, JobChanged{call, std::move(status), job});
}

}  // namespace

absl::Status Jobs::Check(const StartJob& command) const {
  const JobSpec& spec = command.spec;
  const auto missing = [this](const std::string& queue) {
    return !queue.empty() && s_.queues.Find(queue) == nullptr;
  };
  if (missing(spec.queue)) return refusal::NoSuchQueue(spec.queue);
  if (missing(spec.to.queue)) return refusal::NoSuchQueue(spec.to.queue);
  const int64_t running_max = s_.options.jobs_running_max;
  const bool full = static_cast<int64_t>(s_.jobs.running.size()) >= running_max;
  return full ? refusal::TooManyJobs(running_max) : absl::OkStatus();
}

int64_t Jobs::CountTasks(const JobSpec& spec) const {
  const Queue* const queue = spec.queue.empty() ? nullptr : s_.queues.Find(spec.queue);
  if (spec.action == JobAction::kCancelTasks) {
    return queue == nullptr ? static_cast<int64_t>(s_.tasks.size()) : queue->unfinished();
  }
  return queue->letters == nullptr ? 0 : queue->letters->count;
}

void Jobs::Apply(Turn& turn, StartJob&& command) {
  if (absl::Status s = Check(command); !s.ok()) return Answer(turn, command.call, std::move(s));
  auto filter = FilterOf(command.spec);
  if (!filter.ok()) return Answer(turn, command.call, filter.status());
  const uint64_t id = s_.NextSession();
  Job& job = s_.jobs.all[id];
  job.filter = *std::move(filter);
  s_.jobs.running[id] = &job;
  job.row.id = id;
  job.row.started_at_ms = s_.Shown(turn.now_ms());
  const bool tasks = command.spec.action == JobAction::kCancelTasks;
  job.row.end = tasks ? s_.counters.next_order : s_.counters.next_letter;
  job.row.total = CountTasks(command.spec);
  job.row.spec = std::move(command.spec);
  job.due_ms = turn.now_ms();
  turn.Put(job.row);
  log_.Note(turn, command.by, ActionKind::kJobStarted, NumberText(id), Described(job.row.spec),
            job.row.spec.reason);
  DropOldest(turn);
  Answer(turn, command.call, absl::OkStatus(), id);
}

void Jobs::Apply(Turn& turn, const CancelJob& command) {
  const auto found = s_.jobs.all.find(command.job);
  if (found == s_.jobs.all.end()) {
    return Answer(turn, command.call, refusal::NoSuchJob(command.job));
  }
  if (found->second.running()) {
    log_.Note(turn, command.by, ActionKind::kJobCancelled, NumberText(command.job),
              absl::StrCat("it had done ", found->second.row.done, " tasks"));
    End(turn, found->second, JobState::kCancelled);
  }
  Answer(turn, command.call, absl::OkStatus(), command.job);
}

void Jobs::End(Turn& turn, Job& job, JobState state) {
  job.row.state = state;
  job.row.ended_at_ms = s_.Shown(turn.now_ms());
  job.waits_for.clear();
  job.filter.reset();
  job.asked.reset();
  s_.jobs.running.erase(job.row.id);
  turn.Put(job.row);
}

void Jobs::DropOldest(Turn& turn) {
  std::map<uint64_t, Job>& all = s_.jobs.all;
  for (auto it = all.begin();
       it != all.end() &&
       static_cast<int64_t>(all.size() - s_.jobs.running.size()) > limits::kJobsKeptMax;) {
    if (it->second.running()) {
      ++it;
      continue;
    }
    turn.Erase(JobKey{it->first});
    it = all.erase(it);
  }
}

int64_t Jobs::NextDue() const {
  int64_t due_ms = kNever;
  for (const auto& [id, job] : s_.jobs.running) {
    if (!job->waits_for_broker()) due_ms = std::min(due_ms, job->due_ms);
  }
  return due_ms;
}

void Jobs::Continue(Turn& turn) {
  std::vector<Job*> due;
  for (const auto& [id, job] : s_.jobs.running) {
    if (!job->waits_for_broker() && job->due_ms <= turn.now_ms()) due.push_back(job);
  }
  for (Job* const job : due) {
    if (job->row.spec.action == JobAction::kCancelTasks) {
      CancelSome(turn, *job);
    } else {
      ReadSome(turn, *job);
    }
  }
}

int64_t Jobs::StepOf(const Job& job, int64_t most) const {
  const int64_t rate = job.row.spec.tasks_per_second;
  return rate == 0 ? most : std::clamp<int64_t>(rate / kStepsPerSecond, 1, most);
}

void Jobs::Pace(Job& job, int64_t tasks) {
  const int64_t rate = job.row.spec.tasks_per_second;
  if (rate == 0) {
    job.due_ms = s_.now_ms;
  } else {  // what was late is not made up for
    job.due_ms = std::max(job.due_ms, s_.now_ms) + limits::kSecondMs * tasks / rate;
  }
}

void Jobs::CancelSome(Turn& turn, Job& job) {
  const bool asks = AsksHeaders(job);
  const int64_t most = asks ? kCancelsAtOnce : StepOf(job, kCancelsAtOnce);
  TaskStep step = TaskLook(s_, job, static_cast<size_t>(most)).Take();
  if (asks && !step.matches.empty()) return AskForHeaders(turn, job, std::move(step));
  EndStep(turn, job, step);
}

void Jobs::AskForHeaders(Turn& turn, Job& job, TaskStep step) {
  JobTasksWanted wanted{.job = job.row.id, .candidates = {}, .filter = job.filter};
  for (const TaskStep::Match& match : step.matches) {
    wanted.candidates.push_back({match.task, match.row});
  }
  job.asked = std::move(step);
  turn.Say(Durability::kMemory, std::move(wanted));
}

// Meanwhile the tasks have gone on: those that have ended, or do not match any more, are left out.
void Jobs::Apply(Turn& turn, const JobTasksFound& found) {
  const auto entry = s_.jobs.running.find(found.job);
  if (entry == s_.jobs.running.end()) return;
  Job& job = *entry->second;
  TREADLE_ASSERT(job.asked.has_value());
  TaskStep step = *std::exchange(job.asked, std::nullopt);
  const auto most = static_cast<size_t>(StepOf(job, kCancelsAtOnce));
  std::vector<TaskStep::Match> matches;
  auto next = found.tasks.begin();
  for (const TaskStep::Match& match : step.matches) {
    if (matches.size() == most) {
      step.looked_at = match.looked_at;
      step.next = match.next;
      break;
    }
    const bool has_headers = next != found.tasks.end() && *next == match.task;
    if (has_headers) ++next;
    const Task* const task = s_.tasks.Find(match.task);
    if (task == nullptr) continue;
    // Its run was compacted, perhaps before its row was read: the step is taken again.
    if (task->row() != match.row) return;
    if (has_headers && Matches(job.row.spec, *task) &&
        Takes(s_, job, *task, match.task, kInMemory)) {
      matches.push_back(match);
    }
  }
  step.matches = std::move(matches);
  EndStep(turn, job, step);
}

void Jobs::EndStep(Turn& turn, Job& job, const TaskStep& step) {
  JobRow& row = job.row;
  row.next = step.next;
  row.looked_at += step.looked_at;
  row.done += static_cast<int64_t>(step.matches.size());
  if (!row.spec.dry_run) {
    for (const TaskStep::Match& match : step.matches) {
      Task& task = lifecycle_.Part(*s_.tasks.Find(match.task), match.task);
      lifecycle_.Cancel(turn, task, row.spec.reason);
    }
  }
  if (TaskFrom(row.next, job, s_) == nullptr) return End(turn, job, JobState::kDone);
  Pace(job, static_cast<int64_t>(step.matches.size()));
  turn.Put(row);
}

// Those that are still to be moved have come shortly before the start: they soon are.
bool Jobs::AnyMoves(const Job& job) const {
  return std::any_of(s_.letter_moves.begin(), s_.letter_moves.end(), [&job](const auto& move) {
    return move.second.letter < job.row.end && *move.second.queue == job.row.spec.queue;
  });
}

void Jobs::ReadSome(Turn& turn, Job& job) {
  if (!job.all_moved && AnyMoves(job)) {
    job.due_ms = turn.now_ms() + kMovesMs;
    return;
  }
  job.all_moved = true;
  const JobSpec& spec = job.row.spec;
  job.reading = letters_.BeginReading();
  turn.Say(
      Durability::kMemory,
      JobLettersWanted{.job = job.row.id,
                       .reading = job.reading,
                       .queue = spec.queue,
                       .from = job.row.next,
                       .before = job.row.end,
                       .match = spec.match,
                       .filter = job.filter,
                       .ages_from_ms = job.row.started_at_ms,
                       .limit = static_cast<size_t>(StepOf(job, kLettersAtOnce)),
                       .with_tasks = spec.action == JobAction::kRedriveLetters && !spec.dry_run});
}

void Jobs::Apply(Turn& turn, JobLettersFound&& found) {
  const auto entry = s_.jobs.running.find(found.job);
  if (entry == s_.jobs.running.end()) return letters_.EndReading(found.reading);
  Job& job = *entry->second;
  JobRow& row = job.row;
  job.reading = 0;
  job.waits_for.clear();
  int64_t looked_at = found.looked_at;
  int64_t taken = 0;
  row.next = found.next.value_or(row.end);
  for (LettersFound::Letter& letter : found.letters) {
    if (letters_.IsGone(letter.row)) continue;
    const absl::Status status = Take(turn, job.row.spec, letter, found.first_id);
    ++found.first_id.sequence;
    if (status.ok()) {
      ++taken;
    } else if (MayPass(status)) {
      job.waits_for = std::string(status.message());
      row.next = letter.row.number;
      looked_at = taken;
      break;
    } else {
      Note(row, letter.row.id, status);
    }
  }
  letters_.EndReading(found.reading);
  row.looked_at += looked_at;
  row.done += taken;
  if (row.next >= row.end) return End(turn, job, JobState::kDone);
  Pace(job, taken);
  if (!job.waits_for.empty()) job.due_ms = turn.now_ms() + kTryAgainMs;
  turn.Put(row);
}

absl::Status Jobs::Take(Turn& turn, const JobSpec& spec, LettersFound::Letter& letter,
                        TaskId new_id) {
  if (spec.dry_run) return absl::OkStatus();
  if (spec.action == JobAction::kDeleteLetters) {
    letters_.Drop(turn, letter.row);
    return absl::OkStatus();
  }
  return letter_commands_.Redrive(turn, spec.to, Origin{}, letter, new_id);
}

absl::Status Jobs::AddLoaded(const JobRow& row) {
  Job& job = s_.jobs.all[row.id];
  job.row = row;
  if (!job.running()) return absl::OkStatus();
  auto filter = FilterOf(row.spec);
  if (!filter.ok()) return filter.status();
  job.filter = *std::move(filter);
  s_.jobs.running[row.id] = &job;
  return absl::OkStatus();
}

}  // namespace treadle::engine
