#include "server/engine/letter_commands.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/engine/refusals.h"

namespace treadle::engine {

void LetterCommands::Apply(Turn& turn, TakeLetters&& command) {
  const uint64_t reading = letters_.BeginReading();
  Request& request = requests_[reading];
  request.answer.call = command.call;
  request.command = std::move(command);
  Want(turn, reading, request);
}

void LetterCommands::Want(Turn& turn, uint64_t reading, const Request& request) {
  LettersWanted wanted{
      .reading = reading, .wanted = {}, .with_tasks = request.command.redrive.has_value()};
  const std::vector<TaskId>& tasks = request.command.tasks;
  for (size_t i = request.answer.letters.size(); i < tasks.size(); ++i) {
    wanted.wanted.push_back({tasks[i], letters_.FindMoving(tasks[i])});
  }
  turn.Say(Durability::kMemory, std::move(wanted));
}

void LetterCommands::Apply(Turn& turn, LettersFound&& found) {
  const auto entry = requests_.find(found.reading);
  TREADLE_ASSERT(entry != requests_.end());
  Request& request = entry->second;
  const std::vector<TaskId>& tasks = request.command.tasks;
  std::vector<LettersTaken::Taken>& answers = request.answer.letters;
  TREADLE_ASSERT(found.looked_at > 0 && answers.size() + found.looked_at <= tasks.size());
  std::map<std::string, std::vector<TaskId>> done;  // by queue
  auto letter = found.letters.begin();
  for (size_t i = 0; i < found.looked_at; ++i) {
    const TaskId task = tasks[answers.size()];
    LettersTaken::Taken& taken = answers.emplace_back();
    if (letter == found.letters.end() || letter->row.id != task) {
      taken.status = refusal::NoDeadLetter(task);
      continue;
    }
    const TaskId new_id{found.first_id.session, found.first_id.sequence++};
    taken.status = Take(turn, request.command, *letter, new_id);
    if (taken.status.ok()) done[*letter->row.queue].push_back(task);
    if (taken.status.ok() && request.command.redrive.has_value()) taken.redriven_as = new_id;
    ++letter;
  }
  for (const auto& [queue, ids] : done) Note(turn, request.command, queue, ids);
  if (answers.size() < tasks.size()) return Want(turn, found.reading, request);
  turn.Say(Durability::kSynced, std::move(request.answer));
  letters_.EndReading(found.reading);
  requests_.erase(entry);
}

void LetterCommands::Note(Turn& turn, const TakeLetters& command, const std::string& queue,
                          const std::vector<TaskId>& taken) {
  if (!command.by.has_value()) return;
  std::string details = absl::StrCat(taken.size(), taken.size() == 1 ? " task" : " tasks");
  const char* before = ": ";
  for (const TaskId task : taken) {
    absl::StrAppend(&details, std::exchange(before, ", "), task.ToString());
  }
  const bool redriven = command.redrive.has_value();
  if (redriven && !command.redrive->queue.empty()) {
    details = absl::StrCat("into queue '", command.redrive->queue, "', ", details);
  }
  log_.Note(turn, command.by, redriven ? ActionKind::kLettersRedriven : ActionKind::kLettersDeleted,
            queue, std::move(details));
}

absl::Status LetterCommands::Take(Turn& turn, const TakeLetters& command,
                                  LettersFound::Letter& letter, TaskId new_id) {
  if (letters_.IsGone(letter.row)) return refusal::NoDeadLetter(letter.row.id);
  if (command.redrive.has_value()) {
    return Redrive(turn, *command.redrive, command.origin, letter, new_id);
  }
  letters_.Drop(turn, letter.row);
  return absl::OkStatus();
}

// It may run at once: what was said of its start has come, and a deadline by the clock may have
// passed. Its request key goes on naming the task that failed.
absl::Status LetterCommands::Redrive(Turn& turn, const RedriveTo& to, Origin origin,
                                     LettersFound::Letter& letter, TaskId new_id) {
  if (!letter.task.has_value()) return refusal::PayloadLost(letter.row.id);
  Submit submit;
  submit.id = new_id;
  submit.origin = origin;
  submit.spec = std::move(letter.task->spec);
  submit.payload = std::move(letter.task->payload);
  TaskSpec& spec = submit.spec;
  if (!to.queue.empty()) spec.queue = to.queue;
  if (to.max_attempts > 0) spec.max_attempts = to.max_attempts;
  spec.run_at_ms = spec.delay_ms = 0;
  const int64_t deadline_ms = s_.Moment(spec.deadline_at_ms, /*is_date=*/true);
  if (deadline_ms <= turn.now_ms()) spec.deadline_at_ms = 0;
  spec.request_key.clear();
  spec.digest = {};
  if (absl::Status s = admission_.AcceptNow(turn, std::move(submit)); !s.ok()) return s;
  letters_.Drop(turn, letter.row);
  return absl::OkStatus();
}

}  // namespace treadle::engine
