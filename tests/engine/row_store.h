#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/command.h"
#include "server/engine/output.h"
#include "server/engine/row.h"

namespace treadle::engine {

// What a store would hold: rows by kind and key. Rows of finished tasks and keys are kept, as a
// store keeps them until they expire.
class RowStore {
 public:
  // All changes in order. Asserts that none deletes what is not there.
  void Apply(const std::vector<RowChange>& changes);

  // Absent: no unfinished task, or run, has its row there.
  std::optional<TaskRow> FindTask(TaskId row) const;
  std::optional<KeyRow> FindKey(const std::string& queue, const std::string& key) const;
  size_t CountOf(char kind) const;
  // What a broker would read for these. `limit`: of dead letters, at once.
  MoveDeadTasks Answer(const LetterMovesDue& due) const;
  SweepDeadLetters Answer(const SweepDue& due, size_t limit) const;
  JobLettersFound Answer(const JobLettersWanted& wanted, size_t limit, TaskId first_id) const;
  // Of the first `limit` that are wanted; new tasks get ids from `first_id` on.
  LettersFound Answer(const LettersWanted& wanted, size_t limit, TaskId first_id) const;

  // Every row, in an order that differs with the seed.
  std::vector<Row> Shuffled(uint64_t seed) const;

 private:
  std::map<std::string, Row> rows_;
};

// The key under which a row is kept: its kind's letter first.
std::string KeyOf(const Row& row);

}  // namespace treadle::engine
