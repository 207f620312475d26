#pragma once

#include <cstdint>
#include <utility>

#include "proto/support/task_id.h"
#include "server/engine/payload_sizes.h"
#include "server/engine/range_set.h"

namespace treadle::engine {

// Tasks that were submitted together and have one row, until the last of them has ended.
struct TaskRun {
  TaskRun(TaskId its_first, PayloadSizes its_sizes)
      : first(its_first),
        sizes(std::move(its_sizes)),
        unfinished(sizes.count()),
        unfinished_bytes(bytes()) {}

  uint32_t IndexOf(TaskId task) const {
    return static_cast<uint32_t>(task.sequence - first.sequence);
  }
  // Nobody needs its row any more.
  bool over() const { return unfinished == 0 && moving == 0; }
  // Of all payloads in its row.
  uint64_t bytes() const { return sizes.BeginOf(sizes.count()); }

  const TaskId first;
  const PayloadSizes sizes;
  uint32_t unfinished;
  uint64_t unfinished_bytes;
  uint32_t moving = 0;        // have failed, and leave the row for their dead letters
  RangeSet finished;          // sequences
  bool has_row = false;       // a RunRow
  bool has_news = false;      // some have finished in this turn
  bool is_left_over = false;  // see Runs
};

}  // namespace treadle::engine
