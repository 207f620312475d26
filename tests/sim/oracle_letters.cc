#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"

#include "proto/search/filter.h"
#include "proto/search/match.h"
#include "tests/sim/oracle.h"

// Tasks that have failed are kept, whole, as long as their queue says.

namespace treadle::sim {
namespace {

// By what the callers' filters ask for.
bool TakesType(const std::string& filter, const std::string& type) {
  search::Record record;
  record.text(search::Field::kType) = type;
  return search::Matches(*search::Parse(filter), record, search::SetOf(search::Field::kType));
}

}  // namespace

// After a batch: what fails in it is kept.
void Oracle::CheckKept(const std::vector<StoredChange>& changes) {
  Expect(redriven_.empty(), Promise::kNeverLost,
         "a dead letter's task is submitted again, and the letter stays");
  for (const TaskId id : EndDead(changes, live_)) {
    const engine::TaskRow& task = live_.Find(id)->row;
    left_from_[task.spec.queue].Add(task);
    AttemptEnded(task.spec.queue, Ended::How::kUnknown);
  }
  for (const StoredChange& change : changes) {
    const auto* const ended = std::get_if<engine::FinishedRow>(&change.row);
    if (change.deleted || ended == nullptr || ended->state != engine::TaskState::kFailed) continue;
    const auto queue = live_.queues.find(*ended->queue);
    const bool keeps =
        queue != live_.queues.end() && queue->second.config.dead_letters.max_tasks > 0;
    Expect(!keeps || live_.LetterOf(ended->id) != nullptr, Promise::kNeverLost,
           absl::StrCat(ended->id.ToString(), " has failed, and is not kept"));
  }
}

void Oracle::CheckLetter(const engine::DeadLetterRow& row) {
  const Ledger::Task& task = Unfinished(row.id, "dead letter");
  const std::string id = row.id.ToString();
  const bool unserved = row.error.type == kNoWorkerError;
  if (unserved) CheckUnserved(task, row.attempts);
  Expect(unserved || task.lease != engine::Token{}, Promise::kNeverLost,
         absl::StrCat(id, " is a dead letter, and nobody had it"));
  const int32_t last = row.failed.empty() ? 0 : row.failed.back().error.attempt;
  Expect(*row.queue == task.row.spec.queue && *row.type == task.row.spec.type &&
             row.attempts == task.spent + (unserved ? 0 : 1) && last == row.attempts,
         Promise::kNeverLost, absl::StrCat(id, " is another one as a dead letter"));
  const auto next = live_.letters.lower_bound({*row.queue, row.number});
  Expect(next == live_.letters.end() || next->first.first != *row.queue, Promise::kGivenOnce,
         absl::StrCat(id, " gets an old number as a dead letter"));
  ++counts_.letters;
}

void Oracle::CheckDeadTask(const engine::DeadTaskRow& row, const std::string& payload) {
  const std::string id = row.task.id.ToString();
  const Ledger::Letter* const letter = live_.LetterOf(row.task.id);
  Expect(letter != nullptr && letter->row.number == row.letter, Promise::kBounded,
         absl::StrCat("the task of ", id, " is kept, which is no dead letter"));
  const Ledger::Task& task = *live_.Find(row.task.id);
  Expect(payload == task.payload && row.task.order == task.row.order &&
             row.task.spec.queue == task.row.spec.queue && row.task.spec.type == task.row.spec.type,
         Promise::kNeverLost, absl::StrCat(id, " is another task as a dead letter"));
}

// It is a dead letter's, which is dropped in the same batch. It overtakes nobody: who asked for it
// did so some time ago, and a submit that has arrived since may not have been looked at.
void Oracle::CheckRedriven(const engine::TaskRow& row, const std::string& payload) {
  Submission& submission = submissions_[row.id];
  submission.spec = row.spec;
  submission.payload = payload;
  redriven_.push_back(row.id);
}

// Because its task was submitted again, because somebody asked for it, or by a bound: then the
// oldest first.
void Oracle::CheckLetterDropped(const std::string& queue, uint64_t number) {
  const auto letter = live_.letters.find({queue, number});
  const std::string what = absl::StrCat("dead letter ", number, " of ", queue);
  Expect(letter != live_.letters.end(), Promise::kBounded,
         absl::StrCat(what, " is dropped, and is not there"));
  if (!redriven_.empty()) {
    const Submission& again = submissions_[redriven_.front()];
    const Ledger::Task& task = *live_.Find(letter->second.row.id);
    Expect(again.payload == task.payload && again.spec.type == task.row.spec.type,
           Promise::kNeverLost, absl::StrCat(what, " is submitted again as another task"));
    redriven_.pop_front();
    ++counts_.letters_redriven;
    return;
  }
  const engine::DeadLetterRow& row = letter->second.row;
  if (drops_asked_.contains(row.id) ||
      JobAsked(engine::JobAction::kDeleteLetters, queue, *row.type, number)) {
    return;
  }
  const auto first = live_.letters.lower_bound({queue, 0});
  Expect(first == letter, Promise::kOrder, absl::StrCat(what, " is dropped before an older one"));
  const engine::DeadLetterPolicy& policy = live_.queues.find(queue)->second.config.dead_letters;
  int64_t bytes = 0;
  for (auto it = first; it != live_.letters.end() && it->first.first == queue; ++it) {
    bytes += it->second.row.bytes;
  }
  Expect(live_.LettersIn(queue) > policy.max_tasks || bytes > policy.max_bytes ||
             letter->second.row.dead_since_ms + policy.ttl_ms <= NowMs(),
         Promise::kNeverLost, absl::StrCat(what, " is dropped though its queue has room for it"));
}

// A running task ends some time after it was told to stop, and the job may have ended by then.
bool Oracle::JobAsked(engine::JobAction action, const std::string& queue, const std::string& type,
                      uint64_t number) const {
  const bool may_be_late = action == engine::JobAction::kCancelTasks;
  return std::any_of(live_.jobs.begin(), live_.jobs.end(), [&](const auto& entry) {
    const engine::JobRow& job = entry.second;
    const engine::JobSpec& spec = job.spec;
    const bool running = job.state == engine::JobState::kRunning;
    return spec.action == action && !spec.dry_run && number < job.end &&
           (spec.queue.empty() || spec.queue == queue) &&
           (spec.match.type.empty() || spec.match.type == type) && TakesType(spec.filter, type) &&
           (number < job.next ? may_be_late : running);
  });
}

void Oracle::CheckJob(const engine::JobRow& row) {
  const auto known = live_.jobs.find(row.id);
  const std::string what = absl::StrCat("job ", row.id);
  if (known == live_.jobs.end()) {
    Expect(!given_sessions_.contains(row.id) && !unary_sessions_.contains(row.id),
           Promise::kGivenOnce, absl::StrCat(what, " has the number of a session"));
    Expect(row.spec.action != engine::JobAction::kCancelTasks || row.end <= live_.last_order + 1,
           Promise::kNeverLost, absl::StrCat(what, " is about tasks that come after its start"));
    return;
  }
  const engine::JobRow& before = known->second;
  Expect(before.state == engine::JobState::kRunning && before.spec == row.spec &&
             before.next <= row.next && before.done <= row.done,
         Promise::kNeverLost, absl::StrCat(what, " goes back, or goes on behind its end"));
  if (row.state == engine::JobState::kDone) ++counts_.jobs_done;
}

void Oracle::CheckLettersAtTheEnd() const {
  Expect(live_.moves.empty(), Promise::kBounded,
         absl::StrCat(live_.moves.size(), " dead letters have not got their tasks"));
  for (const auto& [place, letter] : live_.letters) {
    Expect(letter.has_task, Promise::kNeverLost,
           absl::StrCat("dead letter ", letter.row.id.ToString(), " has lost its task"));
  }
  for (const auto& [name, queue] : live_.queues) {
    Expect(live_.LettersIn(name) <= queue.config.dead_letters.max_tasks, Promise::kBounded,
           absl::StrCat("queue ", name, " keeps ", live_.LettersIn(name), " dead letters"));
  }
}

}  // namespace treadle::sim
