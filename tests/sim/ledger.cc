#include "tests/sim/ledger.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "proto/support/assert.h"
#include "server/broker/row_key.h"
#include "tests/sim/single_tasks.h"

namespace treadle::sim {
namespace {

struct Applier {
  const StoredChange& change;
  Ledger& ledger;

  static void End(Ledger::Task& task) {
    task.lease = {};
    task.finished = true;
  }

  void operator()(const engine::MetaRow&) {}
  void operator()(const engine::SessionRow&) {}
  void operator()(const engine::ReportsRow& row) { ledger.reports[row.number] = row; }
  void operator()(const engine::ClockRow&) {}
  void operator()(const engine::QueueRow& row) { ledger.queues[row.config.name] = row; }
  void operator()(const engine::KeyRow& row) { ledger.keys[{row.queue, row.key}] = row; }
  void operator()(const engine::TaskRow& row) {
    ledger.runs[row.id] = row.tasks();
    for (auto& [task, payload] : TasksOf(row, change.body)) {
      ledger.last_order = std::max(ledger.last_order, task.order);
      Ledger::Task& known = ledger.tasks[task.id];
      known.row = std::move(task);
      known.payload = std::move(payload);
    }
  }
  void operator()(const engine::RunRow& row) {
    for (const auto& [first, last] : row.finished) {
      for (uint64_t sequence = first; sequence <= last; ++sequence) {
        End(ledger.tasks[TaskId{row.id.session, sequence}]);
      }
    }
  }
  void operator()(const engine::AttemptRow& row) {
    Ledger::Task& task = ledger.tasks[row.id];
    task.spent = row.attempts_spent;
    task.losses = row.losses;
    if (row.last_token >= task.lease) task.lease = {};
  }
  void operator()(const engine::GrantRow& row) {
    for (const auto& [token, id] : LeasesOf(row)) {
      Ledger::Task& task = ledger.tasks[id];
      task.lease = token;
      task.given = true;
      ledger.last_token = std::max(ledger.last_token, static_cast<uint64_t>(token));
    }
  }
  void operator()(const engine::DeadLetterRow& row) {
    ledger.letters[{*row.queue, row.number}].row = row;
  }
  void operator()(const engine::DeadTaskRow& row) {
    if (Ledger::Letter* const letter = ledger.LetterOf(row.task.id)) letter->has_task = true;
  }
  void operator()(const engine::LetterGroupRow&) {}
  void operator()(const engine::LetterMoveRow& row) { ledger.moves[row.id] = row; }
  void operator()(const engine::JobRow& row) { ledger.jobs[row.id] = row; }
  void operator()(const engine::DrainRow&) {}
  void operator()(const engine::ActionRow&) {}
  void operator()(const engine::OutputRow& row) {
    for (const auto& attempt : row.attempts) ledger.said[attempt.token] = attempt.next_index;
  }
  void operator()(const engine::OutputPieceRow& row) { ledger.output[row.task][row.first] = row; }
  void operator()(const engine::OutputExpiryRow&) {}
  void operator()(const engine::FinishedRow& row) {
    for (auto& [outcome, result] : OutcomesOf(row, change.body)) {
      Ledger::Task& task = ledger.tasks[outcome.id];
      End(task);
      task.kept = true;
      task.outcome = std::move(outcome);
      task.result = std::move(result);
    }
  }
};

}  // namespace

std::vector<TaskId> Ledger::UnfinishedOf(TaskId row) const {
  std::vector<TaskId> unfinished;
  const auto run = runs.find(row);
  const uint32_t count = run == runs.end() ? 1 : run->second;
  for (uint32_t i = 0; i < count; ++i) {
    const TaskId id{row.session, row.sequence + i};
    const Task* const task = Find(id);
    if (task == nullptr || !task->finished) unfinished.push_back(id);
  }
  return unfinished;
}

std::vector<TaskId> Ledger::DroppedBy(const StoredChange& deletion) const {
  std::vector<TaskId> dropped = UnfinishedOf(*broker::TaskOfKey(deletion.key));
  std::erase_if(dropped, [&](TaskId id) { return deletion.moved.contains(id); });
  return dropped;
}

Ledger::Letter* Ledger::LetterOf(TaskId id) {
  const auto found = std::find_if(letters.begin(), letters.end(),
                                  [id](const auto& letter) { return letter.second.row.id == id; });
  return found == letters.end() ? nullptr : &found->second;
}

int64_t Ledger::LettersIn(const std::string& queue) const {
  return std::count_if(letters.begin(), letters.end(),
                       [&](const auto& letter) { return letter.first.first == queue; });
}

std::vector<StoredChange> Decode(const store::WriteBatch& batch) {
  broker::RowDecoder decoder;
  std::vector<StoredChange> changes;
  for (size_t i = 0; i < batch.size(); ++i) {
    const store::WriteBatch::Change change = batch[i];
    StoredChange stored{.key = std::string(change.key), .deleted = !change.value.has_value()};
    if (!stored.deleted) {
      std::optional<broker::Body> body;
      absl::StatusOr<engine::Row> row = decoder.Decode(change.key, *change.value, &body);
      TREADLE_ASSERT(row.ok());
      stored.row = *std::move(row);
      if (body.has_value()) stored.body = std::move(body->bytes);
    }
    changes.push_back(std::move(stored));
  }
  std::set<TaskId> put;
  for (size_t i = changes.size(); i-- > 0;) {
    if (changes[i].deleted) {
      if (broker::KindOfKey(changes[i].key) == broker::RowKind::kTask) changes[i].moved = put;
    } else if (const auto* const row = std::get_if<engine::TaskRow>(&changes[i].row)) {
      for (uint32_t task = 0; task < row->tasks(); ++task) {
        put.insert(TaskId{row->id.session, row->id.sequence + task});
      }
    }
  }
  return changes;
}

void Apply(const StoredChange& change, Ledger& ledger) {
  if (!change.deleted) return std::visit(Applier{change, ledger}, change.row);
  switch (*broker::KindOfKey(change.key)) {
    case broker::RowKind::kTask:
      // They have ended, and asked for their outcomes not to be kept.
      for (const TaskId id : ledger.DroppedBy(change)) Applier::End(ledger.tasks[id]);
      return;
    case broker::RowKind::kQueue:
      ledger.queues.erase(change.key.substr(1));
      return;
    case broker::RowKind::kReports:
      ledger.reports.erase(*broker::NumberOfKey(change.key));
      return;
    case broker::RowKind::kDeadLetter: {
      const broker::QueueNumber letter = *broker::QueueNumberOfKey(change.key);
      ledger.letters.erase({std::string(letter.queue), letter.number});
      return;
    }
    case broker::RowKind::kLetterMove:
      ledger.moves.erase(*broker::TaskOfKey(change.key));
      return;
    case broker::RowKind::kOutputPiece: {
      const engine::OutputPieceKey piece = *broker::OutputPieceOfKey(change.key);
      ledger.output[piece.task].erase(piece.first);
      return;
    }
    case broker::RowKind::kJob:
      ledger.jobs.erase(*broker::NumberOfKey(change.key));
      return;
    default:
      return;
  }
}

std::vector<TaskId> EndDead(const std::vector<StoredChange>& changes, Ledger& ledger) {
  std::vector<TaskId> ended;
  for (const StoredChange& change : changes) {
    const auto* const letter = std::get_if<engine::DeadLetterRow>(&change.row);
    if (change.deleted || letter == nullptr || ledger.tasks[letter->id].finished) continue;
    Applier::End(ledger.tasks[letter->id]);
    ended.push_back(letter->id);
  }
  return ended;
}

}  // namespace treadle::sim
