#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/engine/engine.h"
#include "tests/engine/row_store.h"
#include "tests/engine/script_line.h"

namespace treadle::engine {

// Runs a script of the engine, in the manner of etcd raft's datadriven tests.
//
// A script is blocks with blank lines between them. A block is one turn: commands, then "----",
// then what they must lead to: rows ("+" put, "-" deleted) and outputs (">", with the durability
// that they wait for). Before "----" there may be, beside the commands of script_line.cc:
//   options NAME=VALUE ...   first block only: EngineOptions
//   after ms=N | at ms=N        moves the clock (it begins at 1000)
//   deaf ms=N                nobody listened for so long: Engine::AddDeafTime
//   unheard ms=N             what arrived in so long is not stepped at the block's Tick
//   wall set_by=N               Unix time is from now on N ms more than service time
//   no-tick                  the block does not end with Tick
//   restart                  the engine is replaced by one loaded from the rows
//   show task|queue|queues|workers|tasks|totals|deadline|holds ...
// Lines that begin with '#' and blocks without "----" are comments and stay as they are.
//
// After every turn the accumulated rows are loaded into a fresh engine, in another order each time:
// its fingerprint must be the live one's, and both must hold their invariants.
class Script {
 public:
  // The script with what really happened in place of what was expected. `together`: what one line
  // submits is a run, and what one line ends is one report.
  static std::string Run(const std::string& text, bool together = false);

 private:
  explicit Script(bool together);

  std::string RunBlock(const std::vector<std::string>& lines);
  void RunLine(const std::string& text, std::string& shown);
  void Step(Command command);
  void SetOption(const ScriptLine& line);
  std::string Show(const ScriptLine& line) const;
  std::string ShowTasks(const ScriptLine& line) const;
  std::unique_ptr<Engine> Reload();
  void CheckReload();

  const bool together_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  RowStore rows_;
  Effects effects_;
  // The latest ones that were not answered.
  std::optional<LetterMovesDue> moves_due_;
  std::optional<SweepDue> sweep_due_;
  std::optional<LettersWanted> letters_wanted_;
  std::optional<JobLettersWanted> job_wants_;
  std::optional<JobTasksWanted> job_asks_;
  int64_t now_ms_ = 1000;
  int64_t unheard_ms_ = 0;
  int64_t wall_set_by_ms_ = 0;
  bool tick_ = true;
  uint64_t turns_ = 0;
};

}  // namespace treadle::engine
