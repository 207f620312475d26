#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "treadle/headers.h"
#include "treadle/stop_reason.h"

namespace treadle::worker {

struct AttemptId {
  std::string task_id;
  uint64_t token = 0;  // of its lease
};

// What the broker said about an attempt, or about all of a run, which share it. Plain data: a pool
// may send it to another process.
struct AttemptInfo {
  std::string queue;
  std::string type;
  std::string content_type;  // of the payload
  Headers headers;
  int32_t attempt = 1;  // from 1
  int32_t max_attempts = 1;
  int32_t priority = 0;
  std::chrono::milliseconds timeout{0};                           // 0: none
  std::optional<std::chrono::steady_clock::time_point> deadline;  // of the task
  bool confirm_start = false;  // the broker must know of the start before the handler runs
};

class Attempt;
using AttemptPtr = std::shared_ptr<Attempt>;

// One run of one task, from the lease to its end. Whoever holds it may ask it to stop.
class Attempt {
 public:
  Attempt(AttemptId id, std::shared_ptr<const AttemptInfo> info, std::string payload);
  Attempt(AttemptId id, AttemptInfo info, std::string payload);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  const AttemptId& id() const { return id_; }
  const std::string& task_id() const { return id_.task_id; }
  uint64_t token() const { return id_.token; }
  const AttemptInfo& info() const { return *info_; }
  // Of its span; empty: the task has none that is valid.
  std::string traceparent() const;
  // Once, by the pool that runs it.
  std::string TakePayload() { return std::move(payload_); }

  // The first reason stays. Runs the handler's stop callbacks on the calling thread. False: it was
  // told before. Thread-safe.
  bool RequestStop(StopReason reason);
  StopReason stop_reason() const { return stop_reason_.load(std::memory_order_acquire); }
  // Most attempts are never asked for it: what it stands for is made then. Thread-safe.
  std::stop_token stop_token() const;

  // The handler begins now: from here on its timeout counts. Before the handler's thread reads
  // ends_by.
  void StartClock(std::chrono::steady_clock::time_point now);
  // The earlier of the task's deadline and, once it has begun, the attempt's timeout.
  std::optional<std::chrono::steady_clock::time_point> ends_by() const { return ends_by_; }
  // Which of the two that is.
  StopReason ends_by_reason() const { return ends_by_reason_; }

 private:
  friend class AttemptLine;
  friend class LeaseBook;

  const AttemptId id_;
  const std::shared_ptr<const AttemptInfo> info_;
  std::string payload_;
  mutable std::mutex stop_mutex_;
  mutable std::stop_source stop_{std::nostopstate};  // GUARDED_BY(stop_mutex_)
  std::atomic<StopReason> stop_reason_{StopReason::kNone};
  std::optional<std::chrono::steady_clock::time_point> ends_by_;
  StopReason ends_by_reason_ = StopReason::kNone;

  // What the session's LeaseBook has of it, which guards it; null: nothing.
  mutable void* lease_ = nullptr;
  // Its place in an AttemptLine; that line's owner guards it.
  AttemptPtr next_;
  Attempt* previous_ = nullptr;
  const void* line_ = nullptr;
};

}  // namespace treadle::worker
