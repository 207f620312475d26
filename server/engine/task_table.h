#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "proto/support/task_map.h"
#include "server/engine/ascending_list.h"
#include "server/engine/task.h"

namespace treadle::engine {

// Every unfinished task, by id and in submit order; and who finished in the current turn.
class TaskTable {
 public:
  Task* Find(TaskId id) const {
    const std::unique_ptr<Task>* const found = by_id_.Find(id);
    return found == nullptr ? nullptr : found->get();
  }
  size_t size() const { return by_id_.size(); }

  // REQUIRES: a new id, and an order above all others'.
  Task& Add(std::unique_ptr<Task> task);
  void Finish(Task& task);

  // Loading, into an empty table: in any order, then SortLoaded once. False: the id, or an order,
  // is there already.
  bool AddLoaded(std::unique_ptr<Task> task);
  bool SortLoaded();

  bool FinishedThisTurn(TaskId id);
  void EndTurn();

  // In submit order; what has finished may be a hole in it.
  using InOrder = AscendingList<uint64_t, Task, &Task::order_slot>;
  const InOrder& in_order() const { return in_order_; }
  // visit(Task&), in submit order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    in_order_.Visit([&](const InOrder::Entry& entry) {
      if (entry.item != nullptr) visit(*entry.item);
      return true;
    });
  }

  void CheckInvariants() const;

 private:
  TaskMap<std::unique_ptr<Task>> by_id_;
  InOrder in_order_;
  std::vector<Task*> loaded_;  // in any order; for SortLoaded
  std::vector<TaskId> finished_;
  absl::flat_hash_set<TaskId> finished_set_;  // of the first finished_indexed_; made when asked for
  size_t finished_indexed_ = 0;
};

}  // namespace treadle::engine
