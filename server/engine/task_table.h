#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"

#include "proto/support/task_map.h"
#include "server/engine/task.h"

namespace treadle::engine {

// Every unfinished task, by id and in submit order; and who finished in the current turn.
class TaskTable {
 public:
  // By the order of the first task of each.
  using InOrder = absl::btree_map<uint64_t, Task*>;

  // The task, or the one that it is counted in.
  Task* Find(TaskId id) const;
  // How many tasks there are.
  size_t size() const { return size_; }

  // REQUIRES: new ids. False: an order is there already.
  bool Add(std::unique_ptr<Task> task);
  // Keeps the first `keep` of `task`, and returns the others. REQUIRES: 0 < keep < task.count.
  Task& SplitAfter(Task& task, uint32_t keep);
  // It has finished; or all of them have.
  void Finish(Task& task);
  // Loading: it had finished before.
  void Drop(Task& task);

  bool FinishedThisTurn(TaskId id);
  void EndTurn();

  const InOrder& in_order() const { return in_order_; }
  // The first that is not before this place in submit order, or that stands for some that are not.
  InOrder::const_iterator From(uint64_t order) const;
  // visit(Task&), in submit order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [order, task] : in_order_) visit(*task);
  }

  void CheckInvariants() const;

 private:
  Task* FindLong(TaskId id) const;

  TaskMap<std::unique_ptr<Task>> by_id_;  // by the first one's
  absl::btree_map<TaskId, Task*> long_;   // those that stand for several
  InOrder in_order_;
  size_t size_ = 0;
  std::vector<TaskRange> finished_;
  absl::flat_hash_set<TaskId> finished_set_;  // of the first finished_indexed_; made when asked for
  size_t finished_indexed_ = 0;
};

}  // namespace treadle::engine
