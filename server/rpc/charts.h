#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "server/broker/figures.h"
#include "server/engine/census.h"
#include "server/rpc/spread.h"
#include "treadle/v1/admin_service.pb.h"

namespace treadle::rpc {

// What the broker had counted at one moment, of all queues together.
struct ChartSample {
  int64_t at_ms = 0;  // service time
  engine::QueueCensus queues;
  broker::TurnFigures turns;
};

// The last steps of one length, up to a bound. One thread.
class ChartRing {
 public:
  ChartRing(int64_t step_ms, size_t steps_max) : step_ms_(step_ms), steps_max_(steps_max) {}

  // Samples come in their order. The first one of each step ends the step before, and the steps in
  // which there was none have no row.
  void Add(const ChartSample& sample);

  // Rows that ended after `after_ms`. Both times are Unix time; `offset_ms` is that of service
  // time.
  void Write(int64_t offset_ms, int64_t after_ms, v1::Charts& out) const;

 private:
  struct Row {
    int64_t end_ms = 0;
    double submitted = 0;  // a second, as the next three
    double succeeded = 0;
    double failed = 0;
    double retried = 0;
    int64_t scheduled = 0;
    int64_t queued = 0;
    int64_t running = 0;
    int64_t oldest_age_ms = 0;
    int64_t dead_letters = 0;
    Spread queueing;
    Spread running_times;
    Spread sync;
  };

  Row RowOf(const ChartSample& sample) const;

  const int64_t step_ms_;
  const size_t steps_max_;
  std::optional<ChartSample> last_;  // the first one of the step at hand
  std::deque<Row> rows_;
};

// An hour and a day of the broker. Thread-safe.
class Charts {
 public:
  static constexpr size_t kSteps = 720;
  static constexpr int64_t kDayStep = 24;     // of these steps, one of the day's
  static constexpr size_t kRecentSteps = 13;  // a minute lies between the first and the last

  // `step_ms`: of the hour, which has kSteps of them.
  explicit Charts(int64_t step_ms)
      : step_ms_(step_ms), hour_(step_ms, kSteps), day_(kDayStep * step_ms, kSteps) {}

  int64_t step_ms() const { return step_ms_; }
  void Add(const ChartSample& sample);
  void Write(v1::ChartSpan span, int64_t offset_ms, int64_t after_ms, v1::Charts& out) const;
  // What the broker had counted of its turns about a minute ago: as long as the last samples go
  // back. Nothing: there is no sample yet.
  broker::TurnFigures TurnsBefore() const;

 private:
  const int64_t step_ms_;
  mutable std::mutex mutex_;
  ChartRing hour_;
  ChartRing day_;
  std::deque<broker::TurnFigures> recent_;
};

}  // namespace treadle::rpc
