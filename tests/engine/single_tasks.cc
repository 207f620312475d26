#include "tests/engine/single_tasks.h"

#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <variant>

#include "proto/support/assert.h"

namespace treadle::engine {
namespace {

std::vector<TaskRow> Singles(const TaskRow& row) {
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

std::vector<FinishedRow> Singles(const FinishedRow& row) {
  if (row.tasks == 1) return {row};
  TREADLE_ASSERT(row.task_row_stays && row.state == TaskState::kSucceeded);
  const std::vector<uint32_t>& sizes = row.payload_sizes;
  TREADLE_ASSERT(sizes.size() == row.tasks && row.result_sizes.size() == row.tasks);
  TREADLE_ASSERT(std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}) == row.payload_bytes);
  std::vector<FinishedRow> singles;
  FinishedRow one = row;
  one.tasks = 1;
  one.payload_sizes.clear();
  one.result_sizes.clear();
  for (uint32_t i = 0; i < row.tasks; ++i) {
    one.payload_bytes = sizes[i];
    one.body.bytes = row.result_sizes[i];
    singles.push_back(one);
    ++one.id.sequence;
    one.body.begin += one.body.bytes;
  }
  TREADLE_ASSERT(one.body.begin == row.body.begin + row.body.bytes);
  return singles;
}

std::vector<Lease> Singles(const Lease& lease) {
  if (lease.tasks == 1) return {lease};
  TREADLE_ASSERT(lease.payload_sizes.size() == lease.tasks);
  std::vector<Lease> singles;
  Lease one = lease;
  one.tasks = 1;
  one.payload_sizes.clear();
  for (uint32_t i = 0; i < lease.tasks; ++i) {
    one.token = Token{static_cast<uint64_t>(lease.token) + i};
    one.payload_bytes = lease.payload_sizes[i];
    singles.push_back(one);
    ++one.task.sequence;
    one.payload_begin += one.payload_bytes;
  }
  TREADLE_ASSERT(one.payload_begin == lease.payload_begin + lease.payload_bytes);
  return singles;
}

std::vector<Submitted> Singles(const Submitted& submitted) {
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

std::vector<TaskFinished> Singles(const TaskFinished& finished) {
  std::vector<TaskFinished> singles;
  for (FinishedRow& row : Singles(*finished.row)) {
    singles.push_back({std::make_shared<const FinishedRow>(std::move(row))});
  }
  return singles;
}

std::vector<Dispatched> Singles(const Dispatched& dispatched) {
  Dispatched one = dispatched;
  one.leases.clear();
  for (const Lease& lease : dispatched.leases) {
    for (Lease& single : Singles(lease)) one.leases.push_back(std::move(single));
  }
  return {one};
}

template <typename Other>
std::vector<Other> Singles(const Other& other) {
  return {other};
}

template <typename Variant>
std::vector<Variant> SinglesOf(const Variant& several) {
  return std::visit(
      [](const auto& known) {
        const auto singles = Singles(known);
        return std::vector<Variant>(singles.begin(), singles.end());
      },
      several);
}

}  // namespace

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

std::vector<EndAttempt> SingleTasks(const EndAttempt& end) {
  if (end.result_sizes.empty()) return {end};
  std::vector<EndAttempt> singles;
  EndAttempt one = end;
  one.result_sizes.clear();
  for (const uint32_t bytes : end.result_sizes) {
    one.body.bytes = bytes;
    singles.push_back(one);
    one.token = Token{static_cast<uint64_t>(one.token) + 1};
    one.body.begin += bytes;
  }
  return singles;
}

std::vector<Row> SingleTasks(const Row& row) { return SinglesOf(row); }
std::vector<Event> SingleTasks(const Event& event) { return SinglesOf(event); }

}  // namespace treadle::engine
