#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "proto/support/running_task.h"
#include "treadle/headers.h"
#include "worker/pool/handler_meter.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

// Notices handlers that block an event loop, and says so by name: while they do, on a thread of its
// own. Once a minute for each type.
class LoopWatch {
 public:
  // A handler that keeps the loop from one co_await to the next for longer than `blocked_after` is
  // told of.
  LoopWatch(std::string pool, std::chrono::milliseconds blocked_after,
            std::shared_ptr<AttemptEvents> events);
  ~LoopWatch();

  // The loop's thread runs a handler of this type from now on, until Leave. `type` must live as
  // long as this. Returns what was before, for Leave.
  struct Turn {
    const std::string* type = nullptr;
    int64_t since_ns = 0;
  };
  Turn Enter(const std::string* type);
  void Leave(const Turn& before);

  // While the loop has nothing at all to run, nobody looks.
  void Busy(bool busy);

 private:
  void Run();
  void Look();
  void Tell(const std::string& type, std::chrono::milliseconds blocked);

  const std::string pool_;
  const std::chrono::milliseconds blocked_after_;
  const std::shared_ptr<AttemptEvents> events_;

  std::atomic<const std::string*> type_{nullptr};
  std::atomic<int64_t> since_ns_{0};  // 0: no handler runs

  std::mutex mutex_;
  std::condition_variable changed_;
  bool busy_ = false;                       // GUARDED_BY(mutex_)
  bool closed_ = false;                     // GUARDED_BY(mutex_)
  std::map<std::string, int64_t> told_ns_;  // GUARDED_BY(mutex_)
  std::thread thread_;
};

// One run, as the loop's turns know it.
class WatchedRun {
 public:
  // `meter`: where its CPU time is added up; nullptr: nowhere. `task`: known to each turn's thread.
  WatchedRun(std::shared_ptr<LoopWatch> watch, const std::string* type, HandlerMeter* meter,
             std::shared_ptr<RunningTask> task);

  // The whole of it is over. On the loop's thread.
  void Finish();

  // One turn: from one co_await to the next.
  class Turn {
   public:
    explicit Turn(WatchedRun& run);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    WatchedRun& run_;
    const LoopWatch::Turn before_;
    const RunningTask::Scope running_;
    int64_t cpu_begin_ns_ = 0;
  };

 private:
  const std::shared_ptr<LoopWatch> watch_;
  const std::string* const type_;
  HandlerMeter* const meter_;
  const std::shared_ptr<RunningTask> task_;
  const int64_t begin_ns_;
  int64_t cpu_ns_ = 0;
};

}  // namespace treadle::worker
