#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "proto/support/assert.h"
#include "server/engine/row.h"
#include "server/engine/types.h"

namespace treadle::engine {

// Unary reports that were accepted, the latest ones. The answer to one may be lost with its
// connection, or with the broker; the holder then reports again, and is to hear OK and not that its
// lease is gone: for all it knows somebody else had the task. So each is remembered, durably, until
// reports_kept_max newer ones are there. (Reports of attached workers are acknowledged by number
// on their stream, and a worker that has lost it names what it still holds.)
class ReportLog {
 public:
  using Rows = std::deque<ReportsRow>;

  // REQUIRES: no report of this token is here.
  void Add(const AcceptedReport& report) {
    const bool added = by_token_.emplace(report.token, report.end).second;
    TREADLE_ASSERT(added);
    news_.reports.push_back(report);
  }
  bool Has(const AcceptedReport& report) const {
    const auto found = by_token_.find(report.token);
    return found != by_token_.end() && found->second == report.end;
  }

  bool has_news() const { return !news_.reports.empty(); }
  // The row of what was added since the last time. REQUIRES: has_news().
  const ReportsRow& TakeNews() {
    news_.number = rows_.empty() ? 1 : rows_.back().number + 1;
    return rows_.emplace_back(std::exchange(news_, {}));
  }
  // Forgets the oldest row, and returns its number. REQUIRES: there is one.
  uint64_t DropOldest() {
    const ReportsRow oldest = std::move(rows_.front());
    rows_.pop_front();
    for (const AcceptedReport& report : oldest.reports) by_token_.erase(report.token);
    return oldest.number;
  }
  // In ascending order. False: the number, or one of the tokens, is here already.
  bool AddLoaded(ReportsRow&& row) {
    bool fresh = row.number > 0 && (rows_.empty() || rows_.back().number < row.number);
    for (const AcceptedReport& report : row.reports) {
      fresh = by_token_.emplace(report.token, report.end).second && fresh;
    }
    rows_.push_back(std::move(row));
    return fresh;
  }

  int64_t size() const { return static_cast<int64_t>(by_token_.size()); }
  // Oldest first.
  const Rows& rows() const { return rows_; }

  void CheckInvariants() const {
    size_t reports = news_.reports.size();
    for (const ReportsRow& row : rows_) reports += row.reports.size();
    TREADLE_ASSERT(reports == by_token_.size());
  }

 private:
  Rows rows_;
  ReportsRow news_;  // of this turn; without a number yet
  absl::flat_hash_map<Token, AttemptEnd> by_token_;
};

}  // namespace treadle::engine
