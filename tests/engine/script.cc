#include "tests/engine/script.h"

#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "tests/engine/format.h"

namespace treadle::engine {
namespace {

void Require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

int64_t* OptionOf(EngineOptions& options, const std::string& name) {
  if (name == "queue_max_tasks") return &options.queue_max_tasks;
  if (name == "queue_max_bytes") return &options.queue_max_bytes;
  if (name == "queues_max") return &options.queues_max;
  if (name == "types_per_queue_max") return &options.types_per_queue_max;
  if (name == "unfinished_tasks_max") return &options.unfinished_tasks_max;
  if (name == "sessions_max") return &options.sessions_max;
  if (name == "workers_max") return &options.workers_max;
  if (name == "waiting_submitters_max") return &options.waiting_submitters_max;
  if (name == "polls_max") return &options.polls_max;
  if (name == "empty_sessions_max") return &options.empty_sessions_max;
  if (name == "takers_bytes_max") return &options.takers_bytes_max;
  if (name == "poll_bytes_max") return &options.poll_bytes_max;
  if (name == "worker_inflight_bytes_max") return &options.worker_inflight_bytes_max;
  if (name == "session_gap_max") return &options.session_gap_max;
  if (name == "session_ranges_max") return &options.session_ranges_max;
  if (name == "reports_kept_max") return &options.reports_kept_max;
  if (name == "lease_ms") return &options.lease_ms;
  if (name == "resume_window_ms") return &options.resume_window_ms;
  if (name == "request_key_window_ms") return &options.request_key_window_ms;
  if (name == "attempt_timeout_grace_ms") return &options.attempt_timeout_grace_ms;
  if (name == "quarantine_after") return &options.quarantine_after;
  if (name == "timers_per_turn_max") return &options.timers_per_turn_max;
  if (name == "purged_per_turn_max") return &options.purged_per_turn_max;
  if (name == "jobs_running_max") return &options.jobs_running_max;
  if (name == "letter_groups_max") return &options.letter_groups_max;
  if (name == "letter_groups_per_queue_max") return &options.letter_groups_per_queue_max;
  return nullptr;
}

std::string ShowReasons(const std::vector<ReasonView>& reasons) {
  std::string text;
  for (const ReasonView& reason : reasons) absl::StrAppend(&text, Format(reason), "\n");
  return text;
}

}  // namespace

Script::Script(bool together) : together_(together), engine_(std::make_unique<Engine>(options_)) {}

std::string Script::Run(const std::string& text, bool together) {
  Script script(together);
  std::string result;
  std::vector<std::string> block;
  bool expectation = false;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) {
    if (line.empty()) {
      absl::StrAppend(&result, expectation ? "" : "\n");
      if (!expectation) {
        for (const std::string& comment : block) {
          Require(comment[0] == '#', "a block without ----: " + comment);
        }
      }
      expectation = false;
      block.clear();
    } else if (line == "----") {
      absl::StrAppend(&result, "----\n", script.RunBlock(block), "\n");
      expectation = true;
    } else if (!expectation) {
      absl::StrAppend(&result, line, "\n");
      block.push_back(line);
    }
  }
  while (result.size() > 1 && result.substr(result.size() - 2) == "\n\n") result.pop_back();
  return result;
}

std::string Script::RunBlock(const std::vector<std::string>& lines) {
  effects_ = Effects();
  tick_ = true;
  unheard_ms_ = 0;
  ++turns_;
  std::string shown;
  for (const std::string& line : lines) {
    if (line[0] == '#') continue;
    RunLine(line, shown);
  }
  if (tick_) engine_->Tick(now_ms_, unheard_ms_, effects_);
  std::string text;
  for (const RowChange& change : effects_.changes) absl::StrAppend(&text, Format(change), "\n");
  for (const Output& output : effects_.outputs) {
    absl::StrAppend(&text, Format(output), "\n");
    if (const auto* due = std::get_if<LetterMovesDue>(&output.event)) moves_due_ = *due;
    if (const auto* due = std::get_if<SweepDue>(&output.event)) sweep_due_ = *due;
    if (const auto* wanted = std::get_if<LettersWanted>(&output.event)) letters_wanted_ = *wanted;
    if (const auto* wanted = std::get_if<JobLettersWanted>(&output.event)) job_wants_ = *wanted;
    if (const auto* wanted = std::get_if<JobTasksWanted>(&output.event)) job_asks_ = *wanted;
  }
  engine_->CheckInvariants();
  rows_.Apply(effects_.changes);
  if (tick_) CheckReload();
  return text + shown;
}

void Script::RunLine(const std::string& text, std::string& shown) {
  const ScriptLine line(text);
  if (line.verb() == "options") {
    SetOption(line);
  } else if (line.verb() == "after") {
    now_ms_ += line.Number("ms");
  } else if (line.verb() == "at") {
    now_ms_ = line.Number("ms");
  } else if (line.verb() == "deaf") {
    engine_->AddDeafTime(line.Number("ms"));
  } else if (line.verb() == "unheard") {
    unheard_ms_ = line.Number("ms");
  } else if (line.verb() == "wall") {
    wall_set_by_ms_ = line.Number("set_by");
    engine_->FollowWall(wall_set_by_ms_);
  } else if (line.verb() == "no-tick") {
    tick_ = false;
  } else if (line.verb() == "restart") {
    engine_ = Reload();
    moves_due_.reset();
    sweep_due_.reset();
    letters_wanted_.reset();
    job_wants_.reset();
    job_asks_.reset();
  } else if (line.verb() == "move") {
    Require(moves_due_.has_value(), "no moves are due");
    Step(rows_.Answer(*std::exchange(moves_due_, std::nullopt)));
  } else if (line.verb() == "found") {
    Require(letters_wanted_.has_value(), "no letters are wanted");
    Step(rows_.Answer(*std::exchange(letters_wanted_, std::nullopt),
                      static_cast<size_t>(line.Number("limit", 100)), line.Id("as")));
  } else if (line.verb() == "job-found") {
    Require(job_wants_.has_value(), "no job wants letters");
    Step(rows_.Answer(*std::exchange(job_wants_, std::nullopt),
                      static_cast<size_t>(line.Number("limit", 100)),
                      line.Has("as") ? line.Id("as") : TaskId()));
  } else if (line.verb() == "job-headers") {
    Require(job_asks_.has_value(), "no job asks for headers");
    JobTasksFound found{.job = std::exchange(job_asks_, std::nullopt)->job, .tasks = {}};
    for (const std::string& id : line.Words("match")) found.tasks.push_back(*TaskId::Parse(id));
    Step(std::move(found));
  } else if (line.verb() == "sweep") {
    Require(sweep_due_.has_value(), "no sweep is due");
    Step(rows_.Answer(*std::exchange(sweep_due_, std::nullopt),
                      static_cast<size_t>(line.Number("limit", 100))));
  } else if (line.verb() == "show") {
    // What is shown is how things are at the end of the turn.
    if (tick_) engine_->Tick(now_ms_, unheard_ms_, effects_);
    absl::StrAppend(&shown, Show(line));
  } else if (line.verb() == "submit") {
    for (Submit& submit : ParseSubmits(line, together_)) Step(std::move(submit));
  } else if (line.verb() == "end") {
    for (EndAttempt& end : ParseEnds(line, together_)) Step(std::move(end));
  } else {
    Step(ParseCommand(line));
  }
  line.CheckAllUsed();
}

void Script::Step(Command command) {
  // As the broker does: what the store knows of a request key comes with the submit.
  if (Submit* const submit = std::get_if<Submit>(&command)) {
    if (engine_->NeedsKeyLookup(submit->spec.queue, submit->spec.request_key)) {
      submit->known_key = rows_.FindKey(submit->spec.queue, submit->spec.request_key);
    }
  }
  engine_->Step(now_ms_, std::move(command), effects_);
}

void Script::SetOption(const ScriptLine& line) {
  Require(turns_ == 1, "options belong into the first block");
  for (const std::string& name : line.Names()) {
    if (name == "auto_create_queues") {
      options_.auto_create_queues = line.Number(name) != 0;
    } else if (name == "unexplained_losses_max") {
      options_.unexplained_losses_max = static_cast<int32_t>(line.Number(name));
    } else if (name == "credit_max") {
      options_.credit_max = static_cast<int32_t>(line.Number(name));
    } else {
      int64_t* const option = OptionOf(options_, name);
      Require(option != nullptr, "no option " + name);
      *option = line.Number(name);
    }
  }
  engine_ = std::make_unique<Engine>(options_);
}

std::string Script::Show(const ScriptLine& line) const {
  if (line.Has("task")) {
    const std::optional<TaskView> view = engine_->FindTask(line.Id("id"));
    return view ? Format(*view) + "\n" : "no such task\n";
  }
  if (line.Has("why")) {
    const std::optional<Explanation> why = engine_->Explain(line.Id("id"));
    return why ? ShowReasons(why->reasons) : "no such task\n";
  }
  if (line.Has("lost")) {
    const std::optional<Explanation> why = engine_->Explain(line.Id("id"));
    return why ? Format(why->lost) + "\n" : "no such task\n";
  }
  if (line.Has("forecast")) {
    const Submit submit = ParseSubmits(line, /*together=*/false).at(0);
    const auto reasons = engine_->ExplainSubmit(submit.spec, submit.origin);
    return reasons.ok() ? ShowReasons(*reasons) : absl::StrCat(reasons.status().ToString(), "\n");
  }
  if (line.Has("queue")) {
    const std::optional<QueueView> view = engine_->FindQueue(line.Text("queue"), now_ms_);
    return view ? Format(*view) + "\n" : "no such queue\n";
  }
  if (line.Has("letters")) {
    std::string text;
    for (const LetterGroupView& view :
         engine_->ListLetterGroups(line.Text("of"), static_cast<size_t>(line.Number("skip")),
                                   static_cast<size_t>(line.Number("limit", 100)))) {
      absl::StrAppend(&text, Format(view), "\n");
    }
    return text.empty() ? "no dead letters\n" : text;
  }
  if (line.Has("jobs")) {
    std::string text;
    for (const JobView& view : engine_->ListJobs(
             UINT64_MAX, static_cast<size_t>(line.Number("limit", 100)), line.Has("running"))) {
      absl::StrAppend(&text, Format(view), "\n");
    }
    return text.empty() ? "no jobs\n" : text;
  }
  if (line.Has("queues")) {
    std::string text;
    for (const QueueView& view : engine_->ListQueues(
             line.Text("past"), static_cast<size_t>(line.Number("limit", 100)), now_ms_)) {
      absl::StrAppend(&text, Format(view), "\n");
    }
    return text;
  }
  if (line.Has("drains")) {
    std::string text;
    for (const DrainView& view : engine_->ListDrains(0, 100)) {
      absl::StrAppend(&text, Format(view), "\n");
    }
    return text.empty() ? "no drains\n" : text;
  }
  if (line.Has("workers")) {
    std::string text;
    for (const WorkerView& view : engine_->ListWorkers("", 100)) {
      absl::StrAppend(&text, Format(view), "\n");
    }
    return text.empty() ? "no workers\n" : text;
  }
  if (line.Has("tasks")) return ShowTasks(line);
  if (line.Has("totals")) {
    const EngineTotals totals = engine_->Totals();
    return absl::StrCat("tasks=", totals.unfinished_tasks, " queues=", totals.queues,
                        " workers=", totals.workers, " sessions=", totals.sessions, "\n");
  }
  if (line.Has("deadline")) {
    const int64_t deadline = engine_->NextDeadline();
    return deadline == INT64_MAX ? "deadline never\n" : absl::StrCat("deadline ", deadline, "\n");
  }
  if (line.Has("holds")) {
    const Token token{static_cast<uint64_t>(line.Number("token"))};
    const std::optional<TaskId> task = engine_->FindLeased(line.Call(), token);
    return task.has_value() ? absl::StrCat("holds ", task->ToString(), "\n") : "does not hold\n";
  }
  throw std::invalid_argument("show what?");
}

std::string Script::ShowTasks(const ScriptLine& line) const {
  const std::string queue = line.Text("of");
  const std::string wanted = line.Text("type");
  const auto fits = [&wanted](const std::string&, const std::string& type) {
    return wanted.empty() || type == wanted;
  };
  const bool newest_first = line.Has("newest");
  const TaskQuery query{.queue = queue,
                        .states = static_cast<uint32_t>(line.Number("states")),
                        .fits = fits,
                        .newest_first = newest_first,
                        .from = static_cast<uint64_t>(line.Number("from", newest_first ? 99 : 0))};
  std::string text;
  int64_t room = line.Number("limit", 100);
  const TasksLookedAt done = engine_->LookThroughTasks(query, [&](const TaskView& view) {
    if (room-- == 0) return false;
    absl::StrAppend(&text, Format(view), "\n");
    return true;
  });
  if (!done.next.has_value()) return absl::StrCat(text, "done\n");
  return absl::StrCat(text, "more from ", *done.next, "\n");
}

std::unique_ptr<Engine> Script::Reload() {
  auto engine = std::make_unique<Engine>(options_);
  for (const Row& row : rows_.Shuffled(turns_)) {
    const absl::Status status = engine->Load(row);
    Require(status.ok(), std::string(status.message()));
  }
  engine->FollowWall(wall_set_by_ms_);
  const absl::Status status = engine->FinishLoad(now_ms_);
  Require(status.ok(), std::string(status.message()));
  return engine;
}

void Script::CheckReload() {
  const std::unique_ptr<Engine> loaded = Reload();
  loaded->CheckInvariants();
  Require(loaded->Fingerprint() == engine_->Fingerprint(),
          absl::StrCat("turn ", turns_, ": the loaded engine is not the live one"));
}

}  // namespace treadle::engine
