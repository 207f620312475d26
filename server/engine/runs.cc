#include "server/engine/runs.h"

#include <utility>
#include <vector>

#include "proto/support/assert.h"

namespace treadle::engine {
namespace {

// The part of a row's payloads that is worth keeping it for: reading it and writing so much again
// is less than what it would cost for as long as it stays.
constexpr uint64_t kWorthKeeping = 4;

// Those of a run that have not ended, in ranges: of tasks that follow one another.
std::vector<TaskRange> UnfinishedOf(const TaskRun& run) {
  std::vector<TaskRange> unfinished;
  uint64_t next = run.first.sequence;
  const auto add_until = [&](uint64_t end) {
    if (next == end) return;
    unfinished.push_back({{run.first.session, next}, static_cast<uint32_t>(end - next)});
  };
  for (const auto& [first, last] : run.finished.ranges()) {
    add_until(first);
    next = last + 1;
  }
  add_until(run.first.sequence + run.sizes.count());
  return unfinished;
}

// visit(Task&), each of those that stand for these tasks.
template <typename Visit>
void ForEach(const TaskTable& tasks, const TaskRange& range, Visit visit) {
  for (uint32_t i = 0; i < range.count;) {
    Task* const task = tasks.Find(range.At(i));
    TREADLE_ASSERT(task != nullptr && task->id == range.At(i));
    visit(*task);
    i += task->count;
  }
}

}  // namespace

void Runs::WriteChanged(Turn& turn) {
  for (const std::shared_ptr<TaskRun>& run : std::exchange(s_.changed_runs, {})) {
    run->has_news = false;
    if (run->over()) continue;
    run->has_row = true;
    turn.Put(RunRow{run->first, run->finished.ranges()});
    Watch(run, turn.now_ms());
  }
}

bool Runs::IsLeftOver(const TaskRun& run) const {
  const auto bytes = static_cast<int64_t>(run.bytes());
  return bytes >= s_.options.compaction_bytes_min &&
         run.unfinished_bytes <= run.bytes() / kWorthKeeping;
}

void Runs::Watch(const std::shared_ptr<TaskRun>& run, int64_t now_ms) {
  if (run->is_left_over || !IsLeftOver(*run)) return;
  run->is_left_over = true;
  LookLater(run, now_ms);
}

void Runs::LookLater(std::weak_ptr<TaskRun> run, int64_t now_ms) {
  left_over_.emplace_back(now_ms + s_.options.compaction_after_ms, std::move(run));
}

int64_t Runs::NextDue() const {
  return compacting_.has_value() || left_over_.empty() ? kNever : left_over_.front().first;
}

void Runs::Due(Turn& turn) {
  std::weak_ptr<TaskRun> left_over = std::move(left_over_.front().second);
  left_over_.pop_front();
  const std::shared_ptr<TaskRun> run = left_over.lock();
  if (run == nullptr || run->unfinished == 0) return;
  if (!MayMove(*run)) return LookLater(std::move(left_over), turn.now_ms());
  compacting_ = std::move(left_over);
  turn.Say(Durability::kMemory, CompactionDue{run->first});
}

// A payload that may still be on its way to a holder is looked for where its lease says.
bool Runs::MayMove(const TaskRun& run) const {
  bool may = run.moving == 0;
  for (const TaskRange& range : UnfinishedOf(run)) {
    ForEach(s_.tasks, range, [&may](const Task& task) {
      const LiveLease* const lease = task.lease.get();
      may = may && (lease == nullptr || (lease->worker != nullptr && lease->started));
    });
  }
  return may;
}

void Runs::Apply(Turn& turn, CompactRun&& command) {
  TREADLE_ASSERT(compacting_.has_value());
  std::weak_ptr<TaskRun> compacted = *std::exchange(compacting_, std::nullopt);
  const std::shared_ptr<TaskRun> run = compacted.lock();
  if (run == nullptr || run->unfinished == 0) return;
  if (!command.row.has_value() || !MayMove(*run)) {
    return LookLater(std::move(compacted), turn.now_ms());
  }
  TREADLE_ASSERT(command.row->id == run->first && command.row->tasks() == run->sizes.count());
  // First, because the row of the first task has the same key, and tasks' rows are put once.
  turn.Erase(TaskKey{run->first});
  if (run->has_row) turn.Erase(RunKey{run->first});
  for (const TaskRange& range : UnfinishedOf(*run)) Move(turn, *command.row, *run, range);
  run->unfinished = 0;
}

void Runs::Move(Turn& turn, const TaskRow& row, const TaskRun& run, const TaskRange& tasks) {
  const uint32_t begin = run.IndexOf(tasks.first);
  TaskRow own = row;
  own.id = tasks.first;
  own.order += begin;
  own.spec.payload_bytes = run.sizes.Bytes(begin, begin + tasks.count);
  own.payload.begin += run.sizes.BeginOf(begin);
  own.payload.bytes = own.spec.payload_bytes;
  own.payload_sizes.clear();
  std::shared_ptr<TaskRun> rest;
  if (tasks.count > 1) {
    const auto first = row.payload_sizes.begin() + begin;
    own.payload_sizes.assign(first, first + tasks.count);
    rest = std::make_shared<TaskRun>(tasks.first, PayloadSizes(own.payload_sizes));
  }
  ForEach(s_.tasks, tasks, [&rest](Task& task) { task.run = rest; });
  turn.Put(std::move(own));
}

}  // namespace treadle::engine
