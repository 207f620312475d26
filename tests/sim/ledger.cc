#include "tests/sim/ledger.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "proto/support/assert.h"
#include "server/broker/row_key.h"

namespace treadle::sim {
namespace {

struct Applier {
  const StoredChange& change;
  Ledger& ledger;

  void operator()(const engine::MetaRow&) {}
  void operator()(const engine::SessionRow&) {}
  void operator()(const engine::ReportsRow& row) { ledger.reports[row.number] = row; }
  void operator()(const engine::ClockRow&) {}
  void operator()(const engine::QueueRow& row) { ledger.queues[row.config.name] = row; }
  void operator()(const engine::KeyRow& row) { ledger.keys[{row.queue, row.key}] = row; }
  void operator()(const engine::TaskRow& row) {
    ledger.tasks[row.id] = Ledger::Task{.row = row, .payload = change.body};
    ledger.last_order = std::max(ledger.last_order, row.order);
  }
  void operator()(const engine::AttemptRow& row) {
    Ledger::Task& task = ledger.tasks[row.id];
    task.spent = row.attempts_spent;
    task.losses = row.losses;
    if (row.last_token >= task.lease) task.lease = {};
  }
  void operator()(const engine::GrantRow& row) {
    for (size_t i = 0; i < row.tasks.size(); ++i) {
      const uint64_t token = static_cast<uint64_t>(row.first_token) + i;
      Ledger::Task& task = ledger.tasks[row.tasks[i]];
      task.lease = engine::Token{token};
      task.given = true;
      ledger.last_token = std::max(ledger.last_token, token);
    }
  }
  void operator()(const engine::FinishedRow& row) {
    Ledger::Task& task = ledger.tasks[row.id];
    task.lease = {};
    task.finished = true;
    task.kept = true;
    task.outcome = row;
    task.result = change.body;
  }
};

}  // namespace

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
  return changes;
}

void Apply(const StoredChange& change, Ledger& ledger) {
  if (!change.deleted) return std::visit(Applier{change, ledger}, change.row);
  if (broker::KindOfKey(change.key) == broker::RowKind::kTask) {
    // It ended, and asked for its outcome not to be kept.
    Ledger::Task& task = ledger.tasks[*broker::TaskOfKey(change.key)];
    task.lease = {};
    task.finished = true;
  } else if (broker::KindOfKey(change.key) == broker::RowKind::kQueue) {
    ledger.queues.erase(change.key.substr(1));
  } else if (broker::KindOfKey(change.key) == broker::RowKind::kReports) {
    ledger.reports.erase(*broker::NumberOfKey(change.key));
  }
}

}  // namespace treadle::sim
