#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "treadle/headers.h"
#include "treadle/milliseconds.h"

namespace treadle {

// What has happened to a task's bytes when its submit is acknowledged. Weaker levels are
// acknowledged sooner; the acknowledgement (Future::Accepted) states the level that was reached.
enum class Durability {
  kMemory = 1,   // applied in the broker's memory: lost when its process dies
  kWritten = 2,  // with the operating system: survives the process, not a power cut
  kSynced = 3,   // on the disk
};

// When and how often a failed attempt is tried again: before retry n (from 1) the broker waits
// min(max_delay, initial_delay * multiplier^(n-1)), moved by up to `jitter` of itself either way.
struct RetryPolicy {
  RetryPolicy() {}

  Milliseconds initial_delay{1'000};  // above 0, at most 7 days
  double multiplier = 2;              // from 1 to 100
  Milliseconds max_delay{60'000};     // above 0, at most 7 days
  double jitter = 0.1;                // from 0 to 1
  // Error types (TaskError::type) that fail the task at once. At most 32.
  std::vector<std::string> no_retry_error_types;
};

// How one task is submitted. A value that the broker would refuse is refused in the same words: the
// future ends with INVALID_ARGUMENT.
//
// Written in place each method gives a copy with one thing set:
//
//   executor.Submit(SubmitOptions().Priority(5).Delay(5s), kResize, "photo.png")
struct [[nodiscard]] SubmitOptions {
  SubmitOptions() {}

  // PRIORITY queues only: highest first. Other queues refuse anything but 0.
  int32_t priority = 0;

  // When the task may first run: at a time, or after a delay from its acceptance. At most one of
  // the two. At most 366 days ahead.
  std::optional<std::chrono::system_clock::time_point> run_at;
  Milliseconds delay{0};

  // Runs that may begin and fail before the task is FAILED. From 1 to 1,000,000.
  int32_t max_attempts = 3;
  std::optional<RetryPolicy> retry;  // none: RetryPolicy's defaults
  // How long one attempt may run; then it counts as failed with "AttemptTimeout". 0: no bound.
  Milliseconds attempt_timeout{0};

  // After this the task is EXPIRED, in the queue or running: at a time, or so long after its
  // acceptance. At most one of the two.
  std::optional<std::chrono::system_clock::time_point> deadline_at;
  Milliseconds deadline{0};

  // How long the outcome is kept after the end. None: 1 hour. 0: only who waits at that moment
  // learns it.
  std::optional<Milliseconds> result_ttl;

  // Makes it safe to submit the same task again, from any process: the same key in the same queue
  // names the first task (within the broker's window, 24 hours unless changed); the same key with
  // other content is ALREADY_EXISTS. At most 255 bytes.
  std::string request_key;

  treadle::Headers headers;

  treadle::Durability durability = treadle::Durability::kSynced;

  // When the queue is full: 0 refuses at once with RESOURCE_EXHAUSTED; otherwise the submit waits
  // so long for room, behind those that came before. At most 24 hours.
  Milliseconds wait_if_full{0};

  // Submitted by a handler through TaskContext::client: not a child of the handler's task, but a
  // task of its own.
  bool detached = false;

  SubmitOptions Priority(int32_t value) const { return With(&SubmitOptions::priority, value); }
  SubmitOptions RunAt(std::chrono::system_clock::time_point value) const {
    return With(&SubmitOptions::run_at, value);
  }
  SubmitOptions Delay(Milliseconds value) const { return With(&SubmitOptions::delay, value); }
  SubmitOptions MaxAttempts(int32_t value) const {
    return With(&SubmitOptions::max_attempts, value);
  }
  SubmitOptions Retry(RetryPolicy value) const {
    return With(&SubmitOptions::retry, std::move(value));
  }
  SubmitOptions AttemptTimeout(Milliseconds value) const {
    return With(&SubmitOptions::attempt_timeout, value);
  }
  SubmitOptions DeadlineAt(std::chrono::system_clock::time_point value) const {
    return With(&SubmitOptions::deadline_at, value);
  }
  SubmitOptions Deadline(Milliseconds value) const { return With(&SubmitOptions::deadline, value); }
  SubmitOptions ResultTtl(Milliseconds value) const {
    return With(&SubmitOptions::result_ttl, value);
  }
  SubmitOptions RequestKey(std::string value) const {
    return With(&SubmitOptions::request_key, std::move(value));
  }
  // One more; it replaces one of the same name.
  SubmitOptions Header(std::string name, std::string value) const {
    SubmitOptions copy = *this;
    copy.headers.insert_or_assign(std::move(name), std::move(value));
    return copy;
  }
  // W3C trace context: the span that asks for this task (https://www.w3.org/TR/trace-context/), in
  // the place of ClientOptions::trace_context. One that is not valid is sent, and ignored.
  SubmitOptions Traceparent(std::string value) const {
    return Header("traceparent", std::move(value));
  }
  SubmitOptions Durability(treadle::Durability value) const {
    return With(&SubmitOptions::durability, value);
  }
  SubmitOptions WaitIfFull(Milliseconds value) const {
    return With(&SubmitOptions::wait_if_full, value);
  }
  SubmitOptions Detached(bool value = true) const { return With(&SubmitOptions::detached, value); }

 private:
  template <typename Field, typename Value>
  SubmitOptions With(Field SubmitOptions::*field, Value value) const {
    SubmitOptions copy = *this;
    copy.*field = std::move(value);
    return copy;
  }
};

}  // namespace treadle
