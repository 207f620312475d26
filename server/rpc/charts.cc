#include "server/rpc/charts.h"

#include <algorithm>

#include "proto/support/limits.h"

namespace treadle::rpc {
namespace {

// What is counted in pieces may seem to go back a little: see engine::Census.
double PerSecond(int64_t since, int64_t now, int64_t elapsed_ms) {
  return static_cast<double>(std::max<int64_t>(0, now - since)) * limits::kSecondMs /
         static_cast<double>(elapsed_ms);
}

}  // namespace

ChartRing::Row ChartRing::RowOf(const ChartSample& sample) const {
  const engine::QueueCensus& now = sample.queues;
  const engine::QueueCensus& since = last_->queues;
  const int64_t elapsed_ms = sample.at_ms - last_->at_ms;
  const auto per_second = [&](int64_t engine::QueueCounts::*count) {
    return PerSecond(since.counts.*count, now.counts.*count, elapsed_ms);
  };
  return {.end_ms = sample.at_ms - sample.at_ms % step_ms_,
          .submitted = per_second(&engine::QueueCounts::submitted),
          .succeeded = per_second(&engine::QueueCounts::succeeded),
          .failed = per_second(&engine::QueueCounts::failed),
          .retried = per_second(&engine::QueueCounts::retried),
          .scheduled = now.scheduled,
          .queued = now.queued,
          .running = now.running,
          .oldest_age_ms = now.oldest_age_ms,
          .dead_letters = now.dead_letters,
          .queueing = SpreadOf(since.times.queueing, now.times.queueing),
          .running_times = SpreadOf(since.times.running, now.times.running),
          .sync = SpreadOf(last_->turns.sync_ms, sample.turns.sync_ms)};
}

void ChartRing::Add(const ChartSample& sample) {
  if (last_.has_value()) {
    if (sample.at_ms / step_ms_ <= last_->at_ms / step_ms_) return;
    if (rows_.size() == steps_max_) rows_.pop_front();
    rows_.push_back(RowOf(sample));
  }
  last_ = sample;
}

void ChartRing::Write(int64_t offset_ms, int64_t after_ms, v1::Charts& out) const {
  out.set_step_ms(step_ms_);
  if (rows_.empty()) return;
  auto row = rows_.begin();
  if (after_ms <= rows_.back().end_ms + offset_ms) {
    row = std::partition_point(rows_.begin(), rows_.end(),
                               [&](const Row& one) { return one.end_ms + offset_ms <= after_ms; });
  }
  for (; row != rows_.end(); ++row) {
    out.add_time_ms(row->end_ms + offset_ms);
    out.add_submitted_per_second(row->submitted);
    out.add_succeeded_per_second(row->succeeded);
    out.add_failed_per_second(row->failed);
    out.add_retried_per_second(row->retried);
    out.add_scheduled(row->scheduled);
    out.add_queued(row->queued);
    out.add_running(row->running);
    out.add_oldest_age_ms(row->oldest_age_ms);
    out.add_dead_letters(row->dead_letters);
    out.add_queueing_p50_ms(row->queueing.p50);
    out.add_queueing_p99_ms(row->queueing.p99);
    out.add_running_p50_ms(row->running_times.p50);
    out.add_running_p99_ms(row->running_times.p99);
    out.add_sync_p50_ms(row->sync.p50);
    out.add_sync_p99_ms(row->sync.p99);
  }
}

void Charts::Add(const ChartSample& sample) {
  std::lock_guard lock(mutex_);
  hour_.Add(sample);
  day_.Add(sample);
  if (recent_.size() == kRecentSteps) recent_.pop_front();
  recent_.push_back(sample.turns);
}

broker::TurnFigures Charts::TurnsBefore() const {
  std::lock_guard lock(mutex_);
  return recent_.empty() ? broker::TurnFigures() : recent_.front();
}

void Charts::Write(v1::ChartSpan span, int64_t offset_ms, int64_t after_ms, v1::Charts& out) const {
  std::lock_guard lock(mutex_);
  (span == v1::CHART_SPAN_DAY ? day_ : hour_).Write(offset_ms, after_ms, out);
}

}  // namespace treadle::rpc
