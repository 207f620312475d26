#include "tests/engine/row_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/search/match.h"
#include "proto/support/assert.h"
#include "server/engine/hash.h"
#include "server/engine/task_record.h"
#include "tests/engine/single_tasks.h"

namespace treadle::engine {
namespace {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

std::string GrantName(GrantId grant) { return absl::StrCat("g", static_cast<uint64_t>(grant)); }

// In the order of their numbers.
std::string LetterName(const std::string& queue, uint64_t number) {
  return absl::StrCat("d", queue, "\n", absl::Dec(number, absl::kZeroPad20));
}
std::string GroupName(const std::string& queue, uint64_t fingerprint) {
  return absl::StrCat("e", queue, "\n", fingerprint);
}

std::string KeyOf(const RowKey& key) {
  return std::visit(Overloaded{
                        [](const QueueKey& k) { return "q" + k.name; },
                        [](const TaskKey& k) { return "t" + k.id.ToString(); },
                        [](const RunKey& k) { return "u" + k.id.ToString(); },
                        [](const AttemptKey& k) { return "a" + k.id.ToString(); },
                        [](const GrantKey& k) { return GrantName(k.grant); },
                        [](const SessionKey& k) { return absl::StrCat("s", k.session); },
                        [](const ReportsKey& k) { return absl::StrCat("r", k.number); },
                        [](const DeadLetterKey& k) { return LetterName(*k.queue, k.number); },
                        [](const DeadTaskKey& k) { return "p" + k.id.ToString(); },
                        [](const LetterGroupKey& k) { return GroupName(*k.queue, k.fingerprint); },
                        [](const LetterMoveKey& k) { return "x" + k.id.ToString(); },
                        [](const JobKey& k) { return absl::StrCat("j", k.id); },
                        [](const DrainKey& k) { return absl::StrCat("w", k.id); },
                        [](const ActionKey& k) { return absl::StrCat("l", k.number); },
                        [](const OutputKey& k) { return "b" + k.task.ToString(); },
                        [](const OutputPieceKey& k) {
                          return absl::StrCat("o", k.task.ToString(), "\n", k.first);
                        },
                        [](const OutputExpiryKey& k) {
                          return absl::StrCat("y", k.at_ms, "\n", k.task.ToString());
                        },
                    },
                    key);
}

}  // namespace

std::string KeyOf(const Row& row) {
  return std::visit(
      Overloaded{
          [](const MetaRow&) { return std::string("m"); },
          [](const QueueRow& r) { return "q" + r.config.name; },
          [](const TaskRow& r) { return "t" + r.id.ToString(); },
          [](const RunRow& r) { return "u" + r.id.ToString(); },
          [](const AttemptRow& r) { return "a" + r.id.ToString(); },
          [](const GrantRow& r) { return GrantName(r.grant); },
          [](const FinishedRow& r) { return (r.task_row_stays ? "f" : "t") + r.id.ToString(); },
          [](const SessionRow& r) { return absl::StrCat("s", r.session); },
          [](const KeyRow& r) { return absl::StrCat("k", r.queue, "\n", r.key); },
          [](const ReportsRow& r) { return absl::StrCat("r", r.number); },
          [](const ClockRow&) { return std::string("c"); },
          [](const DeadLetterRow& r) { return LetterName(*r.queue, r.number); },
          [](const DeadTaskRow& r) { return "p" + r.task.id.ToString(); },
          [](const LetterGroupRow& r) { return GroupName(*r.queue, r.fingerprint); },
          [](const LetterMoveRow& r) { return "x" + r.id.ToString(); },
          [](const JobRow& r) { return absl::StrCat("j", r.id); },
          [](const DrainRow& r) { return absl::StrCat("w", r.id); },
          [](const ActionRow& r) { return absl::StrCat("l", r.number); },
          [](const OutputRow& r) { return KeyOf(RowKey(OutputKey{r.task})); },
          [](const OutputPieceRow& r) {
            return KeyOf(RowKey(OutputPieceKey{r.task, r.first}));
          },
          [](const OutputExpiryRow& r) {
            return KeyOf(RowKey(OutputExpiryKey{r.at_ms, r.task}));
          },
      },
      row);
}

void RowStore::Apply(const std::vector<RowChange>& changes) {
  for (const RowChange& change : changes) {
    if (const Row* const row = std::get_if<Row>(&change)) {
      rows_.insert_or_assign(KeyOf(*row), *row);
    } else {
      TREADLE_ASSERT(rows_.erase(KeyOf(std::get<RowKey>(change))) == 1);
    }
  }
}

std::optional<TaskRow> RowStore::FindTask(TaskId row) const {
  const auto found = rows_.find("t" + row.ToString());
  if (found == rows_.end() || !std::holds_alternative<TaskRow>(found->second)) return std::nullopt;
  return std::get<TaskRow>(found->second);
}

MoveDeadTasks RowStore::Answer(const LetterMovesDue& due) const {
  MoveDeadTasks answer;
  std::map<TaskId, TaskRow> singles;  // of the rows that were looked at
  for (const LetterMovesDue::Move& move : due.moves) {
    const std::optional<TaskRow> row =
        singles.contains(move.task) ? std::nullopt : FindTask(move.row);
    if (row.has_value()) {
      for (Row& one : SingleTasks(Row(*row))) {
        auto& task = std::get<TaskRow>(one);
        singles.emplace(task.id, std::move(task));
      }
    }
    const auto found = singles.find(move.task);
    if (found != singles.end()) answer.rows.push_back(found->second);
  }
  return answer;
}

SweepDeadLetters RowStore::Answer(const SweepDue& due, size_t limit) const {
  SweepDeadLetters answer{due.queue, due.reading, {}, /*end=*/true};
  const std::string end = LetterName(due.queue, UINT64_MAX);
  for (auto row = rows_.lower_bound(LetterName(due.queue, due.from)); row != rows_.end(); ++row) {
    if (row->first >= end) break;
    if (answer.letters.size() == limit) {
      answer.end = false;
      break;
    }
    answer.letters.push_back(std::get<DeadLetterRow>(row->second));
  }
  return answer;
}

JobLettersFound RowStore::Answer(const JobLettersWanted& wanted, size_t limit,
                                 TaskId first_id) const {
  JobLettersFound found{.job = wanted.job, .reading = wanted.reading, .first_id = first_id};
  const std::string end = LetterName(wanted.queue, wanted.before);
  for (auto row = rows_.lower_bound(LetterName(wanted.queue, wanted.from));
       row != rows_.end() && row->first < end; ++row) {
    const auto& letter = std::get<DeadLetterRow>(row->second);
    if (found.letters.size() == std::min(limit, wanted.limit)) {
      found.next = letter.number;
      break;
    }
    ++found.looked_at;
    if (!wanted.match.type.empty() && *letter.type != wanted.match.type) continue;
    if (wanted.match.group.has_value() && letter.group != *wanted.match.group) continue;
    if (wanted.filter != nullptr &&
        !search::Matches(*wanted.filter, TaskRecord(letter, wanted.ages_from_ms).fields())) {
      continue;
    }
    LettersFound::Letter& one = found.letters.emplace_back();
    one.row = letter;
    const auto dead = rows_.find("p" + letter.id.ToString());
    if (wanted.with_tasks && dead != rows_.end()) {
      one.task = std::get<DeadTaskRow>(dead->second).task;
    }
  }
  return found;
}

// As the broker finds them: where the engine has said that a letter is, or by its own row.
LettersFound RowStore::Answer(const LettersWanted& wanted, size_t limit, TaskId first_id) const {
  LettersFound found{.reading = wanted.reading, .first_id = first_id};
  found.looked_at = std::min(limit, wanted.wanted.size());
  for (size_t i = 0; i < found.looked_at; ++i) {
    const LettersWanted::Wanted& one = wanted.wanted[i];
    std::optional<TaskRow> task;
    auto letter = rows_.end();
    if (one.moving.has_value()) {
      letter = rows_.find(LetterName(*one.moving->queue, one.moving->number));
      LetterMovesDue due;
      due.moves.push_back({one.task, one.moving->row});
      for (TaskRow& row : Answer(due).rows) task = std::move(row);
    }
    const auto dead = rows_.find("p" + one.task.ToString());
    if (dead != rows_.end()) {
      const auto& row = std::get<DeadTaskRow>(dead->second);
      letter = rows_.find(LetterName(row.task.spec.queue, row.letter));
      task = row.task;
    }
    if (letter == rows_.end()) continue;
    if (!wanted.with_tasks) task.reset();
    found.letters.push_back({std::get<DeadLetterRow>(letter->second), std::move(task)});
  }
  return found;
}

std::optional<KeyRow> RowStore::FindKey(const std::string& queue, const std::string& key) const {
  const auto found = rows_.find(absl::StrCat("k", queue, "\n", key));
  if (found == rows_.end()) return std::nullopt;
  return std::get<KeyRow>(found->second);
}

size_t RowStore::CountOf(char kind) const {
  return static_cast<size_t>(std::count_if(
      rows_.begin(), rows_.end(), [kind](const auto& row) { return row.first[0] == kind; }));
}

std::vector<Row> RowStore::Shuffled(uint64_t seed) const {
  std::vector<std::pair<uint64_t, const Row*>> order;
  for (const auto& [key, row] : rows_) {
    order.emplace_back(StableHash(seed).Add(key).value(), &row);
  }
  std::sort(order.begin(), order.end());
  std::vector<Row> rows;
  for (const auto& [hash, row] : order) rows.push_back(*row);
  return rows;
}

}  // namespace treadle::engine
