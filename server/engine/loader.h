#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/engine/attachments.h"
#include "server/engine/dead_letters.h"
#include "server/engine/drains.h"
#include "server/engine/jobs.h"
#include "server/engine/lifecycle.h"
#include "server/engine/pauses.h"
#include "server/engine/row.h"
#include "server/engine/runs.h"
#include "server/engine/state.h"

namespace treadle::engine {

// Builds the state from stored rows, which come in any order. Everything is checked against
// everything: rows that contradict each other mean a damaged store, and nothing is guessed.
class Loader {
 public:
  Loader(State& state, Lifecycle& lifecycle, Attachments& attachments, Runs& runs,
         DeadLetters& letters, Pauses& pauses, Jobs& jobs, Drains& drains)
      : s_(state),
        lifecycle_(lifecycle),
        attachments_(attachments),
        runs_(runs),
        letters_(letters),
        pauses_(pauses),
        jobs_(jobs),
        drains_(drains) {}

  absl::Status Load(const Row& row);
  absl::Status Finish(int64_t now_ms);

 private:
  absl::Status Take(const MetaRow& row);
  absl::Status Take(const QueueRow& row);
  absl::Status Take(const TaskRow& row);
  absl::Status Take(const RunRow& row);
  absl::Status Take(const AttemptRow& row);
  absl::Status Take(const GrantRow& row);
  absl::Status Take(const SessionRow& row);
  absl::Status Take(const ReportsRow& row);
  absl::Status Take(const LetterGroupRow& row);
  absl::Status Take(const LetterMoveRow& row);
  absl::Status Take(const JobRow& row);
  absl::Status Take(const DrainRow& row);
  // What has ended is the store's alone.
  absl::Status Take(const FinishedRow&) { return absl::OkStatus(); }
  absl::Status Take(const KeyRow&) { return absl::OkStatus(); }
  absl::Status Take(const ClockRow&) { return absl::OkStatus(); }
  absl::Status Take(const OutputRow&) { return absl::OkStatus(); }
  absl::Status Take(const OutputPieceRow&) { return absl::OkStatus(); }
  absl::Status Take(const OutputExpiryRow&) { return absl::OkStatus(); }
  absl::Status Take(const DeadLetterRow&) { return absl::OkStatus(); }
  absl::Status Take(const DeadTaskRow&) { return absl::OkStatus(); }
  absl::Status Take(const ActionRow&) { return absl::OkStatus(); }

  absl::Status FinishQueues();
  // Tasks that have failed, and have the rows that they had.
  void DropDeadTasks();
  absl::Status FinishTasks();
  absl::Status FinishTask(const Task& task);
  absl::Status FinishRuns();
  absl::Status FinishRun(const RunRow& row);
  absl::Status FinishLetterMoves();
  absl::Status FinishAttempts();
  absl::Status FinishGrants(int64_t now_ms);
  absl::Status FinishGrant(const GrantRow& row, int64_t now_ms);
  // Of the first of these tasks, and those behind it that are one object with it. `token` is the
  // first one's. Returns for how many tasks that was all.
  absl::StatusOr<uint32_t> RestoreLeases(Grant& grant, const TaskRange& range, Token token,
                                         int64_t now_ms);
  absl::Status FinishReports();
  absl::Status FinishSessions(int64_t now_ms);
  absl::Status EnterTasks(int64_t now_ms);
  // Or will be. Of a task that was tried before and runs again it is not stored, and its last
  // attempt's end stands for it.
  int64_t RunnableSince(const Task& task) const;
  // So many tasks, parted from others, before they are in their queues' lists. Null: there is no
  // such task.
  Task* FindApart(TaskId id, uint32_t tasks);

  State& s_;
  Lifecycle& lifecycle_;
  Attachments& attachments_;
  Runs& runs_;
  DeadLetters& letters_;
  Pauses& pauses_;
  Jobs& jobs_;
  Drains& drains_;
  bool has_meta_ = false;
  std::vector<RunRow> run_rows_;
  std::vector<AttemptRow> attempts_;
  absl::flat_hash_map<TaskId, int64_t> stored_lease_ms_;
  std::vector<GrantRow> grants_;
  std::vector<ReportsRow> reports_;
  std::vector<LetterMoveRow> letter_moves_;
  absl::flat_hash_map<TaskId, std::shared_ptr<TaskRun>> begun_runs_;  // some of their tasks ended
  absl::flat_hash_map<TaskId, uint64_t> dead_bytes_;  // payloads of tasks that were dropped
};

}  // namespace treadle::engine
