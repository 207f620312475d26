#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "server/engine/command.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"
#include "server/engine/view.h"

namespace treadle::engine {

// Tasks that FAILED, and that their queue keeps.
//
// They are the store's: a million of them cost the engine nothing, and a start neither. What it
// keeps in mind are a queue's groups of those that say the same, with their counts; these are rows,
// too. What it does not know it asks for:
//   - The row with a task's payload is read at each start, unless it moves to where dead letters
//     are. The engine has no payloads, so the broker reads them: LetterMovesDue is answered with
//     MoveDeadTasks. Until then the row stays, and a LetterMoveRow says that its task has ended.
//   - Beyond a bound (DeadLetterPolicy) the oldest are dropped: SweepDue is answered with
//     SweepDeadLetters, which says what they are. So a bound may be exceeded for a moment.
class DeadLetters {
 public:
  explicit DeadLetters(State& state) : s_(state) {}

  // A task has FAILED. Its queue keeps it, or not; if it does, the task's row stays for now.
  void Add(Turn& turn, const Task& task, FinishedRow& finished);
  // The bounds have changed.
  void PolicyChanged(Queue& queue);

  // kNever: nothing is to be moved, or it is under way.
  int64_t NextDue() const;
  // REQUIRES: NextDue() has come.
  void Due(Turn& turn);
  void Apply(Turn& turn, MoveDeadTasks&& command);
  // Its timer has fired.
  void Due(Turn& turn, LetterBox& box);
  void Apply(Turn& turn, const SweepDeadLetters& command);
  // Somebody reads dead letters, for the engine to do something about them in a later turn: from
  // Begin on it remembers what goes, until End. Returns the reading's number.
  uint64_t BeginReading();
  void EndReading(uint64_t reading);
  // REQUIRES: a reading that has found it is under way.
  bool IsGone(const DeadLetterRow& letter) const { return gone_.contains(letter.number); }
  // REQUIRES: it is not gone. Nothing is left of it.
  void Drop(Turn& turn, const DeadLetterRow& letter);
  std::optional<MovingLetter> FindMoving(TaskId dead) const;

  // At the turn's end: groups that have changed.
  void WriteChanged(Turn& turn);

  // Loading. False: there is such a group, or move, already.
  bool AddLoaded(Queue& queue, const LetterGroupRow& row);
  bool AddLoaded(const LetterMoveRow& row, std::shared_ptr<TaskRun> run, uint64_t row_bytes);
  void FinishLoad();

 private:
  LetterBox& BoxOf(Queue& queue);
  uint64_t GroupFor(LetterBox& box, std::string_view type, const TaskError& error);
  void Changed(LetterBox& box, uint64_t fingerprint);
  bool IsOver(const LetterBox& box) const;
  void Retime(LetterBox& box);
  void Remove(Turn& turn, LetterBox& box, const DeadLetterRow& letter);
  // After that: there may be none left.
  void Settle(LetterBox& box);
  void DropGroup(Turn& turn, LetterBox& box, uint64_t fingerprint);
  void EndMove(Turn& turn, std::map<TaskId, LetterMove>::iterator move);

  State& s_;
  std::vector<TaskId> moving_;  // asked for
  uint64_t readings_ = 0;
  std::set<uint64_t> under_way_;  // readings
  // Dead letters that went while some reading was under way, and by which one they went: no later
  // one has found them.
  absl::flat_hash_set<uint64_t> gone_;
  std::deque<std::pair<uint64_t, uint64_t>> gone_by_;  // reading, number
  std::vector<std::pair<Name, uint64_t>> changed_;     // groups, by queue and fingerprint
};

// Up to `limit` groups of a queue, or of all (empty), after the first `skip`: those with the most
// dead letters first.
std::vector<LetterGroupView> ListLetterGroups(const State& state, std::string_view queue,
                                              size_t skip, size_t limit);

}  // namespace treadle::engine
