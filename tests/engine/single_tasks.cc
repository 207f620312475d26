#include "tests/engine/single_tasks.h"

#include <cstdint>
#include <utility>

namespace treadle::engine {

std::vector<Submit> SingleTasks(const Submit& submit) {
  if (submit.payload_sizes.empty()) return {submit};
  std::vector<Submit> singles;
  Submit one = submit;
  one.payload_sizes.clear();
  for (const uint32_t bytes : submit.payload_sizes) {
    one.spec.payload_bytes = one.payload.bytes = bytes;
    singles.push_back(one);
    ++one.item;
    ++one.id.sequence;
    one.payload.begin += bytes;
  }
  return singles;
}

std::vector<TaskRow> SingleTasks(const TaskRow& row) {
  if (row.payload_sizes.empty()) return {row};
  std::vector<TaskRow> singles;
  TaskRow one = row;
  one.payload_sizes.clear();
  for (const uint32_t bytes : row.payload_sizes) {
    one.spec.payload_bytes = one.payload.bytes = bytes;
    singles.push_back(one);
    ++one.id.sequence;
    ++one.order;
    one.payload.begin += bytes;
  }
  return singles;
}

std::vector<Submitted> SingleTasks(const Submitted& submitted) {
  std::vector<Submitted> singles;
  Submitted one = submitted;
  one.tasks = 1;
  for (uint32_t i = 0; i < submitted.tasks; ++i) {
    singles.push_back(one);
    ++one.item;
    ++one.id.sequence;
  }
  return singles;
}

}  // namespace treadle::engine
