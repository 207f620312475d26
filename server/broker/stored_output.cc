#include <algorithm>
#include <cstddef>
#include <utility>

#include "server/broker/row_key.h"
#include "server/broker/stored_tasks.h"

// What tasks have said: what StoredTasks reads of it.

namespace treadle::broker {
namespace {

constexpr size_t kPiecesMax = 4'096;  // of a page
// Of one sweep: others wait for the thread meanwhile.
constexpr size_t kDroppedMax = 1'000;
constexpr int64_t kDropReadBytesMax = int64_t{4} << 20;

uint64_t EndOf(const engine::OutputPieceRow& piece) { return piece.first + piece.entries.size(); }

}  // namespace

std::optional<engine::OutputPieceRow> StoredTasks::LastPiece(TaskId task, uint64_t before) {
  std::optional<engine::OutputPieceRow> piece;
  const KeyRange range = OutputPiecesBetween(task, 0, before);
  const auto next = store_.ScanBack(range.begin, range.end, /*rows_max=*/1,
                                    [&](std::string_view key, std::string_view value) {
                                      bytes_read_ += static_cast<int64_t>(value.size());
                                      absl::StatusOr<engine::Row> row = Decode(key, value);
                                      if (row.ok()) {
                                        piece = std::move(std::get<engine::OutputPieceRow>(*row));
                                      }
                                      return false;
                                    });
  if (!next.ok()) Fail(next.status()).IgnoreError();
  return piece;
}

absl::StatusOr<OutputPage> StoredTasks::ReadOutput(TaskId task, uint64_t offset, uint64_t before,
                                                   int64_t bytes_max) {
  OutputPage page;
  page.next = offset;
  if (offset >= before) {
    page.all = true;
    return page;
  }
  // The piece that the offset is in begins before it.
  uint64_t from = offset;
  if (const auto piece = LastPiece(task, offset); piece.has_value() && EndOf(*piece) > offset) {
    from = piece->first;
  }
  int64_t left = bytes_max;
  bool whole = true;
  absl::Status damaged;
  const auto visit = [&](std::string_view key, std::string_view value) {
    bytes_read_ += static_cast<int64_t>(value.size());
    absl::StatusOr<engine::Row> row = Decode(key, value);
    if (!row.ok()) {
      damaged = row.status();
      return false;
    }
    auto& piece = std::get<engine::OutputPieceRow>(*row);
    const size_t passed = offset > piece.first ? offset - piece.first : 0;
    size_t end = passed;
    for (; end < piece.entries.size() && left > 0; ++end) {
      const engine::OutputEntry& entry = piece.entries[end];
      left -= std::max<int64_t>(1, static_cast<int64_t>(entry.data.size()));
    }
    whole = end == piece.entries.size();
    piece.entries.resize(end);
    piece.entries.erase(piece.entries.begin(),
                        piece.entries.begin() + static_cast<std::ptrdiff_t>(passed));
    piece.first += passed;
    page.next = EndOf(piece);
    page.pieces.push_back(std::move(piece));
    return whole && left > 0;
  };
  const KeyRange range = OutputPiecesBetween(task, from, before);
  const auto next = store_.Scan(range.begin, range.end, kPiecesMax, visit);
  if (!next.ok()) return Fail(next.status());
  if (!damaged.ok()) return damaged;
  page.all = whole && !next->has_value();
  // What is missing at the end was not kept.
  if (page.all && before != UINT64_MAX) page.next = before;
  return page;
}

OutputToDrop StoredTasks::FindOutputToDrop(int64_t before_ms) {
  OutputToDrop found;
  std::vector<engine::OutputExpiryRow> due;
  const KeyRange expired = OutputExpiriesBefore(before_ms);
  const auto more = store_.Scan(expired.begin, expired.end, kDroppedMax,
                                [&](std::string_view key, std::string_view value) {
                                  absl::StatusOr<engine::Row> row = Decode(key, value);
                                  if (row.ok()) {
                                    due.push_back(std::get<engine::OutputExpiryRow>(*row));
                                  }
                                  return row.ok();
                                });
  if (!more.ok()) Fail(more.status()).IgnoreError();
  int64_t left = kDropReadBytesMax;
  for (const engine::OutputExpiryRow& row : due) {
    const KeyRange range = OutputPiecesBetween(row.task, 0, row.before);
    const auto rest = store_.Scan(range.begin, range.end, kDroppedMax,
                                  [&](std::string_view key, std::string_view value) {
                                    left -= static_cast<int64_t>(value.size());
                                    found.keys.emplace_back(*OutputPieceOfKey(key));
                                    return left > 0 && found.keys.size() < kDroppedMax;
                                  });
    if (!rest.ok()) Fail(rest.status()).IgnoreError();
    found.all = rest.ok() && !rest->has_value();
    if (!found.all) break;
    found.keys.emplace_back(engine::OutputExpiryKey{row.at_ms, row.task});
  }
  found.all = found.all && more.ok() && !more->has_value();
  found.next_ms = found.all ? NextOutputToDropMs(before_ms) : before_ms;
  return found;
}

int64_t StoredTasks::NextOutputToDropMs(int64_t from_ms) {
  int64_t next_ms = INT64_MAX;
  const KeyRange range = OutputExpiriesFrom(from_ms);
  const auto next = store_.Scan(range.begin, range.end, /*rows_max=*/1,
                                [&next_ms](std::string_view key, std::string_view) {
                                  next_ms = OutputExpiryOfKey(key)->at_ms + 1;
                                  return false;
                                });
  if (!next.ok()) Fail(next.status()).IgnoreError();
  return next_ms;
}

}  // namespace treadle::broker
