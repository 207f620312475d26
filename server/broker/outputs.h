#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "proto/support/task_id.h"
#include "server/engine/row.h"
#include "server/engine/types.h"

namespace treadle::broker {

// Where the output of unfinished tasks stands (treadle/v1/output.proto), and the rows that keep it.
// What was said is in the store alone. Output that is to be deleted has an OutputExpiryRow: a sweep
// reads which pieces these are, and deletes them. One thread.
class Outputs {
 public:
  // What is kept of a task's attempts that are over, at most; the oldest go first.
  static constexpr size_t kAttemptsMax = 100;
  // A piece, which is read as a whole, has one entry or at most as many bytes.
  static constexpr int64_t kPieceBytesMax = int64_t{256} << 10;

  // `task_bytes_max`: of what is kept for one task.
  explicit Outputs(int64_t task_bytes_max)
      : task_bytes_max_(static_cast<uint64_t>(task_bytes_max)) {}

  void Load(engine::OutputRow row) { tasks_[row.task] = std::move(row); }

  struct Attempt {
    TaskId task;
    engine::Token token{};
    int32_t number = 0;
  };
  // Adds what is new of these entries. `first_index`: of the first one, among the attempt's;
  // absent: all are new. `keep`: false: the store has no room. Appends the rows to `changes`, and
  // returns the attempt's next index.
  uint64_t Append(const Attempt& attempt, std::optional<uint64_t> first_index,
                  std::vector<engine::OutputEntry> entries, bool keep, int64_t now_ms,
                  std::vector<engine::RowChange>& changes);
  // The task has ended, and its output goes at `drop_at_ms`.
  void End(TaskId task, int64_t drop_at_ms, std::vector<engine::RowChange>& changes);

  // Null: the task has said nothing, or has ended.
  const engine::OutputRow* Find(TaskId task) const;
  size_t size() const { return tasks_.size(); }

  // There is something to sweep from then on.
  void SweepFrom(int64_t at_ms) { sweep_at_ms_ = std::min(sweep_at_ms_, at_ms); }
  // When the next sweep is due; INT64_MAX: none is, or one is under way.
  int64_t NextSweepMs() const;
  void BeginSweep();
  // `next_ms`: when the next one has something to do, as far as the store knew when it was read.
  void EndSweep(int64_t next_ms, int64_t not_before_ms);

 private:
  uint64_t MakeRoom(engine::OutputRow& output, uint64_t bytes, int64_t now_ms,
                    std::vector<engine::RowChange>& changes);
  void DropAt(int64_t at_ms, TaskId task, uint64_t before, std::vector<engine::RowChange>& changes);

  const uint64_t task_bytes_max_;
  absl::flat_hash_map<TaskId, engine::OutputRow> tasks_;
  int64_t sweep_at_ms_ = INT64_MAX;
  int64_t no_sweep_before_ms_ = 0;
  bool sweeping_ = false;
};

}  // namespace treadle::broker
