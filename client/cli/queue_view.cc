#include "client/cli/queue_view.h"

#include <cstdint>

#include "client/cli/console/human.h"
#include <fmt/format.h>

namespace treadle::cli {

std::string QueueState(const v1::Queue& queue) {
  const char* const paused = queue.circuit_open() ? "circuit open" : "paused";
  if (queue.closed()) return queue.paused() ? fmt::format("closed, {}", paused) : "closed";
  return queue.paused() ? paused : "open";
}

namespace {

std::string BreakerText(const v1::CircuitBreaker& breaker) {
  std::string text = fmt::format("opens when {} % of at least {} attempts fail within {}",
                                 breaker.failure_percent(), HumanNumber(breaker.min_attempts()),
                                 HumanDuration(breaker.window_ms()));
  if (breaker.resume_after_ms() > 0) {
    text += fmt::format(", for {}", HumanDuration(breaker.resume_after_ms()));
  }
  return text;
}

std::string DescribeQueue(const v1::Queue& queue, const Context& context) {
  const v1::QueueStats& stats = queue.stats();
  Sheet sheet;
  sheet.Add("name", queue.config().name());
  sheet.Add("discipline", DisciplineName(queue.config().discipline()));
  sheet.Add("state", QueueState(queue));
  if (queue.paused()) {
    sheet.Add("  since", HumanTimeAndAge(queue.paused_at_ms()));
    if (queue.resume_at_ms() != 0) {
      sheet.Add("  resumes", "in " + HumanTimeLeft(queue.resume_at_ms()));
    }
    if (!queue.pause_reason().empty()) sheet.Add("  because", Printable(queue.pause_reason()));
  }
  sheet.Add("created", HumanTimeAndAge(queue.created_at_ms()));
  sheet.Add("waiting",
            fmt::format("{} of {} tasks, {} of {}", HumanNumber(stats.queued() + stats.scheduled()),
                        HumanNumber(queue.config().max_tasks()), HumanBytes(stats.waiting_bytes()),
                        HumanBytes(queue.config().max_bytes())));
  sheet.Add("  queued", HumanNumber(stats.queued()));
  sheet.Add("  scheduled", HumanNumber(stats.scheduled()));
  if (stats.oldest_age_ms() > 0) sheet.Add("  oldest", HumanDuration(stats.oldest_age_ms()));
  sheet.Add("running", HumanNumber(stats.running()));
  if (stats.waiting_submitters() > 0) {
    sheet.Add("submitters", fmt::format("{} wait for room", stats.waiting_submitters()));
  }
  sheet.Add("in", HumanRate(stats.submitted_per_second()) + ", the mean of 10 s");
  sheet.Add("out", HumanRate(stats.finished_per_second()));
  sheet.Add("submitted", HumanNumber(stats.submitted_total()) + " since the broker started");
  sheet.Add("succeeded", HumanNumber(stats.succeeded_total()));
  sheet.Add("failed", HumanNumber(stats.failed_total()));
  sheet.Add("cancelled", HumanNumber(stats.cancelled_total()));
  sheet.Add("expired", HumanNumber(stats.expired_total()));
  sheet.Add("retried", HumanNumber(stats.retried_total()));
  const v1::DeadLetterPolicy& letters = queue.config().dead_letters();
  sheet.Add(
      "dead letters",
      letters.max_tasks() == 0
          ? "none are kept"
          : fmt::format("{} of {} tasks, {} of {}, for {}", HumanNumber(stats.dead_letters()),
                        HumanNumber(letters.max_tasks()), HumanBytes(stats.dead_letter_bytes()),
                        HumanBytes(letters.max_bytes()), HumanDuration(letters.ttl_ms())));
  if (queue.config().has_circuit_breaker()) {
    sheet.Add("circuit breaker", BreakerText(queue.config().circuit_breaker()));
  }
  if (const int64_t after_ms = queue.config().fail_unserved_after_ms(); after_ms > 0) {
    sheet.Add("unserved", "what no worker could run for " + HumanDuration(after_ms) + " fails");
  }
  return context.Render(sheet);
}

// What a narrow terminal leaves out, the last of these first.
enum Drop {
  kRunningDrop = 1,
  kOldestDrop,
  kDeadDrop,
  kOutDrop,
  kInDrop,
  kFailedDrop,
  kScheduledDrop,
  kDisciplineDrop
};

// A column with one of the counters.
View<v1::Queue>::Column Counter(const char* title, int64_t (v1::QueueStats::*counter)() const,
                                int drop, bool wide = false) {
  return {{title, kRight, false, drop},
          [counter](const v1::Queue& q) { return std::to_string((q.stats().*counter)()); },
          wide};
}

}  // namespace

const View<v1::Queue> kQueueView = {
    {{{"NAME"}, [](const v1::Queue& q) { return q.config().name(); }},
     {{"DISCIPLINE", Table::Align::kLeft, false, kDisciplineDrop},
      [](const v1::Queue& q) { return DisciplineName(q.config().discipline()); }},
     {{"STATE", Table::Align::kLeft, true}, QueueState},
     Counter("QUEUED", &v1::QueueStats::queued, 0),
     Counter("SCHEDULED", &v1::QueueStats::scheduled, kScheduledDrop),
     Counter("RUNNING", &v1::QueueStats::running, kRunningDrop),
     {{"OLDEST", kRight, false, kOldestDrop},
      [](const v1::Queue& q) {
        const int64_t age_ms = q.stats().oldest_age_ms();
        return age_ms > 0 ? HumanDuration(age_ms) : "-";
      }},
     {{"IN", kRight, false, kInDrop},
      [](const v1::Queue& q) { return HumanRate(q.stats().submitted_per_second()); }},
     {{"OUT", kRight, false, kOutDrop},
      [](const v1::Queue& q) { return HumanRate(q.stats().finished_per_second()); }},
     Counter("FAILED", &v1::QueueStats::failed_total, kFailedDrop),
     Counter("DEAD", &v1::QueueStats::dead_letters, kDeadDrop),
     Counter("SUCCEEDED", &v1::QueueStats::succeeded_total, 0, true),
     Counter("CANCELLED", &v1::QueueStats::cancelled_total, 0, true),
     Counter("EXPIRED", &v1::QueueStats::expired_total, 0, true),
     Counter("RETRIED", &v1::QueueStats::retried_total, 0, true),
     Counter("SUBMITTERS", &v1::QueueStats::waiting_submitters, 0, true),
     {{"BYTES", kRight},
      [](const v1::Queue& q) { return HumanBytes(q.stats().waiting_bytes()); },
      true},
     {{"MAX-TASKS", kRight},
      [](const v1::Queue& q) { return std::to_string(q.config().max_tasks()); },
      true},
     {{"MAX-BYTES", kRight},
      [](const v1::Queue& q) { return HumanBytes(q.config().max_bytes()); },
      true}},
    [](const v1::Queue& q) { return q.config().name(); },
    DescribeQueue};

}  // namespace treadle::cli
