#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/task_id.h"
#include "server/broker/row_codec.h"
#include "server/engine/row.h"
#include "server/store/store.h"

namespace treadle::sim {

// One row of a batch, read back from its bytes.
struct StoredChange {
  std::string key;
  bool deleted = false;
  std::set<TaskId> moved;  // of a deleted row of tasks: those that have another one by this batch
  engine::Row row;         // unless deleted
  std::string body;
};

// What stored rows say, as plainly as can be, and for ever: finished tasks stay.
struct Ledger {
  struct Task {
    engine::TaskRow row;
    std::string payload;
    int32_t spent = 0;
    int32_t losses = 0;     // leases since then that were lost without word of a start
    engine::Token lease{};  // that is not over; 0: none
    bool given = false;     // once at least
    bool finished = false;
    bool kept = false;  // the outcome is stored
    engine::FinishedRow outcome;
    std::string result;
  };
  struct Letter {
    engine::DeadLetterRow row;
    bool has_task = false;  // its task has been moved to it
  };
  using RequestKey = std::pair<std::string, std::string>;  // queue, key
  using Queues = std::map<std::string, engine::QueueRow, std::less<>>;

  std::map<TaskId, Task> tasks;
  std::map<TaskId, uint32_t> runs;  // by their first task: how many tasks that row has
  std::map<RequestKey, engine::KeyRow> keys;
  Queues queues;
  std::map<uint64_t, engine::ReportsRow> reports;              // that may come again
  std::map<std::pair<std::string, uint64_t>, Letter> letters;  // by queue and number
  std::map<TaskId, engine::LetterMoveRow> moves;
  std::map<uint64_t, engine::JobRow> jobs;
  std::map<TaskId, std::map<uint64_t, engine::OutputPieceRow>> output;  // stored pieces, by offset
  std::map<engine::Token, uint64_t> said;  // how many entries of an attempt were taken
  uint64_t last_token = 0;
  uint64_t last_order = 0;

  // The tasks of a row that have not ended.
  std::vector<TaskId> UnfinishedOf(TaskId row) const;
  // Those of them that end with it.
  std::vector<TaskId> DroppedBy(const StoredChange& deletion) const;
  // Of the one that this task is; null: it is none.
  Letter* LetterOf(TaskId id);
  int64_t LettersIn(const std::string& queue) const;
  const Task* Find(TaskId id) const {
    const auto found = tasks.find(id);
    return found == tasks.end() ? nullptr : &found->second;
  }
  bool Has(const engine::AcceptedReport& report) const {
    return std::any_of(reports.begin(), reports.end(), [&](const auto& row) {
      const auto& all = row.second.reports;
      return std::find(all.begin(), all.end(), report) != all.end();
    });
  }
};

std::vector<StoredChange> Decode(const store::WriteBatch& batch);

void Apply(const StoredChange& change, Ledger& ledger);
// After all changes of a batch. Dead letters of tasks whose outcomes nobody wanted: nothing else
// says that they have ended. Returns these.
std::vector<TaskId> EndDead(const std::vector<StoredChange>& changes, Ledger& ledger);

}  // namespace treadle::sim
