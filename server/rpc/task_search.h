#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

#include "proto/search/filter.h"
#include "proto/search/match.h"
#include "server/engine/task_record.h"
#include "treadle/v1/task_service.pb.h"

// A list's filter, asked of tasks in steps: what counts and indexes answer, then what is with the
// task, then what must be looked up in the store for each task (FieldInfo::stored).

namespace treadle::rpc {

class TaskSearch {
 public:
  // The request's other fields become conditions of the filter. INVALID_ARGUMENT: what is wrong
  // with it.
  static absl::StatusOr<TaskSearch> Read(const v1::ListTasksRequest& request);
  // Of a filter alone, the request's field `path`, in which no word about the order may be.
  static absl::StatusOr<TaskSearch> ReadUnordered(const std::string& path,
                                                  const std::string& filter);

  // Equal for searches for the same.
  std::string Question() const;
  const search::Filter& filter() const { return filter_; }
  bool newest_first() const { return filter_.order == search::Order::kNewestFirst; }

  // The states that a task may be in, as a bit mask of 1 << TaskState, and of these the ones in
  // which it has ended, or has not.
  uint32_t states() const { return states_; }
  uint32_t unfinished_states() const;
  uint32_t finished_states() const;
  // The one queue that a task must be of; empty: it may be of any.
  const std::string& queue() const { return queue_; }
  bool MayBe(const std::string& queue, const std::string& type) const;

  // By all that is with the task itself. True: it is taken, if the store says nothing else.
  bool Takes(const engine::TaskRecord& task) const;
  // What of this task has to be looked up for that.
  bool AsksHeaders() const;
  bool AsksWhetherDead(const engine::TaskRecord& task) const;
  // By what was looked up. `dead`: it is a dead letter; where that is not asked, no matter.
  bool TakesStored(const search::Record::Headers* headers, bool dead) const;

 private:
  TaskSearch(search::Filter filter, bool include_finished);

  search::Filter filter_;
  uint32_t states_ = 0;
  std::string queue_;
};

}  // namespace treadle::rpc
