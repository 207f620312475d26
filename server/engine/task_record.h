#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/search/match.h"
#include "server/engine/row.h"
#include "server/engine/types.h"
#include "server/engine/view.h"

namespace treadle::engine {

// What a filter sees of a task (proto/search), but for its headers, which are stored with its
// payload. Refers to what it is made of, which must outlive it. `now_ms`: the moment, Unix time,
// that ages are counted from.
class TaskRecord {
 public:
  TaskRecord(const TaskView& task, int64_t now_ms);
  // Of the row's tasks, the one with this number. Whether one that has failed is a dead letter, the
  // row does not say: then the field `dead` is empty.
  TaskRecord(const FinishedRow& row, uint32_t index, int64_t now_ms);
  TaskRecord(const DeadLetterRow& letter, int64_t now_ms);
  TaskRecord(const TaskRecord&) = delete;
  TaskRecord& operator=(const TaskRecord&) = delete;

  TaskState state() const { return state_; }
  const search::Record& fields() const { return record_; }

 private:
  // What all of them have.
  template <typename Task>
  void Take(const Task& task, int64_t now_ms);
  void Ended(int64_t finished_at_ms, int64_t now_ms);
  void Ran(int64_t started_at_ms, int64_t until_ms);
  void Take(const TaskError& error);

  std::string id_;
  TaskState state_;
  search::Record record_;
};

// As it is written in filters: "queued".
std::string_view StateWord(TaskState state);

}  // namespace treadle::engine
