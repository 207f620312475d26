#include "server/broker/outputs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace treadle::broker {
namespace {

using engine::OutputEntry;
using engine::OutputPieceRow;
using engine::OutputRow;

// What an entry takes beside its own bytes, about: who says little often has a bound, too.
constexpr uint64_t kAroundEntryBytes = 32;

uint64_t BytesOf(const OutputEntry& entry) {
  return kAroundEntryBytes + entry.data.size() + entry.content_type.size();
}

// Entries of one attempt that follow one another, in pieces.
class Pieces {
 public:
  Pieces(const Outputs::Attempt& attempt, std::vector<engine::RowChange>& changes)
      : attempt_(attempt), changes_(changes) {}
  ~Pieces() { Close(); }

  void Add(uint64_t offset, OutputEntry entry) {
    const uint64_t bytes = BytesOf(entry);
    const bool fits = piece_.first + piece_.entries.size() == offset &&
                      bytes_ + bytes <= static_cast<uint64_t>(Outputs::kPieceBytesMax);
    if (!fits) Close();
    if (piece_.entries.empty()) piece_.first = offset;
    piece_.entries.push_back(std::move(entry));
    bytes_ += bytes;
  }

 private:
  void Close() {
    if (piece_.entries.empty()) return;
    piece_.task = attempt_.task;
    piece_.token = attempt_.token;
    piece_.attempt = attempt_.number;
    changes_.emplace_back(engine::Row(std::exchange(piece_, {})));
    bytes_ = 0;
  }

  const Outputs::Attempt& attempt_;
  std::vector<engine::RowChange>& changes_;
  OutputPieceRow piece_;
  uint64_t bytes_ = 0;
};

}  // namespace

uint64_t Outputs::Append(const Attempt& attempt, std::optional<uint64_t> first_index,
                         std::vector<OutputEntry> entries, bool keep, int64_t now_ms,
                         std::vector<engine::RowChange>& changes) {
  OutputRow& output = tasks_[attempt.task];
  output.task = attempt.task;
  if (output.attempts.empty() || output.attempts.back().token != attempt.token) {
    output.attempts.push_back(
        {.token = attempt.token, .number = attempt.number, .first = output.next});
  }
  const uint64_t known = output.attempts.back().next_index;
  uint64_t index = first_index.value_or(known);
  const size_t again = index < known ? std::min<size_t>(known - index, entries.size()) : 0;
  if (again == entries.size()) return known;
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(again));
  index += again;

  uint64_t bytes = 0;
  for (const OutputEntry& entry : entries) bytes += BytesOf(entry);
  uint64_t kept = MakeRoom(output, keep ? bytes : 0, now_ms, changes);
  OutputRow::Attempt& now = output.attempts.back();
  Pieces pieces(attempt, changes);
  for (OutputEntry& entry : entries) {
    const uint64_t offset = now.first + index++;
    if (!keep || now.full) continue;
    const uint64_t entry_bytes = BytesOf(entry);
    if (kept + entry_bytes > task_bytes_max_) {
      now.full = true;
      entry = {engine::OutputKind::kNotice, entry.time_ms,
               absl::StrCat("what follows is not kept: the output of this task is as large as the "
                            "broker takes (--task-output-max ",
                            task_bytes_max_, ")"),
               ""};
    } else {
      kept += entry_bytes;
      now.bytes += entry_bytes;
    }
    pieces.Add(offset, std::move(entry));
  }
  now.next_index = index;
  output.next = now.first + index;
  changes.emplace_back(engine::Row(output));
  return index;
}

// What earlier attempts have said gives way. Returns how many bytes are kept then.
uint64_t Outputs::MakeRoom(OutputRow& output, uint64_t bytes, int64_t now_ms,
                           std::vector<engine::RowChange>& changes) {
  std::vector<OutputRow::Attempt>& attempts = output.attempts;
  size_t dropped = 0;
  uint64_t kept = 0;
  for (const OutputRow::Attempt& one : attempts) kept += one.bytes;
  while (dropped + 1 < attempts.size() &&
         (kept + bytes > task_bytes_max_ || attempts.size() - dropped > kAttemptsMax)) {
    kept -= attempts[dropped++].bytes;
  }
  if (dropped == 0) return kept;
  DropAt(now_ms, output.task, attempts[dropped].first, changes);
  attempts.erase(attempts.begin(), attempts.begin() + static_cast<std::ptrdiff_t>(dropped));
  return kept;
}

void Outputs::End(TaskId task, int64_t drop_at_ms, std::vector<engine::RowChange>& changes) {
  if (tasks_.erase(task) == 0) return;
  changes.emplace_back(engine::RowKey(engine::OutputKey{task}));
  DropAt(drop_at_ms, task, UINT64_MAX, changes);
}

void Outputs::DropAt(int64_t at_ms, TaskId task, uint64_t before,
                     std::vector<engine::RowChange>& changes) {
  changes.emplace_back(engine::Row(engine::OutputExpiryRow{at_ms, task, before}));
  SweepFrom(at_ms + 1);
}

const OutputRow* Outputs::Find(TaskId task) const {
  const auto found = tasks_.find(task);
  return found == tasks_.end() ? nullptr : &found->second;
}

int64_t Outputs::NextSweepMs() const {
  return sweeping_ ? INT64_MAX : std::max(sweep_at_ms_, no_sweep_before_ms_);
}

void Outputs::BeginSweep() {
  sweeping_ = true;
  sweep_at_ms_ = INT64_MAX;
}

void Outputs::EndSweep(int64_t next_ms, int64_t not_before_ms) {
  sweeping_ = false;
  SweepFrom(next_ms);
  no_sweep_before_ms_ = not_before_ms;
}

}  // namespace treadle::broker
