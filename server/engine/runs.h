#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "server/engine/command.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// The rows of runs, while their tasks end.
//
// A run's row has the payloads of all of its tasks until the last of them has ended. Where few are
// left for long (one is retried in an hour, or runs for a day), they get rows of their own: the run
// is compacted. The engine has no payloads, so the broker reads the row: CompactionDue is answered
// with CompactRun, one at a time. Whatever happens to the tasks meanwhile, happens.
class Runs {
 public:
  explicit Runs(State& state) : s_(state) {}

  // Loading: some of its tasks had ended.
  void Loaded(const std::shared_ptr<TaskRun>& run, int64_t now_ms) { Watch(run, now_ms); }
  // At the turn's end: which tasks have ended, in rows.
  void WriteChanged(Turn& turn);

  // When a run is to be looked at; kNever: there is none, or one is being compacted.
  int64_t NextDue() const;
  // REQUIRES: NextDue() has come.
  void Due(Turn& turn);
  void Apply(Turn& turn, CompactRun&& command);

 private:
  void Watch(const std::shared_ptr<TaskRun>& run, int64_t now_ms);
  void LookLater(std::weak_ptr<TaskRun> run, int64_t now_ms);
  bool IsLeftOver(const TaskRun& run) const;
  bool MayMove(const TaskRun& run) const;
  void Move(Turn& turn, const TaskRow& row, const TaskRun& run, const TaskRange& tasks);

  State& s_;
  // Those of which little is left, and when to look whether that is still so; ascending.
  std::deque<std::pair<int64_t, std::weak_ptr<TaskRun>>> left_over_;
  std::optional<std::weak_ptr<TaskRun>> compacting_;
};

}  // namespace treadle::engine
