#include "worker/pool/coroutine/loop_watch.h"

#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/thread_name.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int64_t kTellEveryNs = 60'000'000'000;

int64_t NowNs() { return steady_clock::now().time_since_epoch().count(); }

int64_t ThreadCpuNs() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

LoopWatch::LoopWatch(std::string pool, milliseconds blocked_after,
                     std::shared_ptr<AttemptEvents> events)
    : pool_(std::move(pool)),
      blocked_after_(blocked_after),
      events_(std::move(events)),
      thread_([this] { Run(); }) {}

LoopWatch::~LoopWatch() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

LoopWatch::Turn LoopWatch::Enter(const std::string* type) {
  Turn before;
  before.type = type_.load(std::memory_order_relaxed);
  before.since_ns = since_ns_.load(std::memory_order_relaxed);
  since_ns_.store(0, std::memory_order_relaxed);
  type_.store(type, std::memory_order_release);
  since_ns_.store(NowNs(), std::memory_order_release);
  return before;
}

void LoopWatch::Leave(const Turn& before) {
  const int64_t since = since_ns_.exchange(0, std::memory_order_acq_rel);
  const std::string* const type = type_.exchange(before.type, std::memory_order_release);
  const auto took = std::chrono::nanoseconds(NowNs() - since);
  if (took >= blocked_after_) Tell(*type, std::chrono::duration_cast<milliseconds>(took));
  // What was interrupted begins anew: its time was not all its own.
  since_ns_.store(before.since_ns == 0 ? 0 : NowNs(), std::memory_order_release);
}

void LoopWatch::Busy(bool busy) {
  std::lock_guard lock(mutex_);
  busy_ = busy;
  if (busy) changed_.notify_one();
}

void LoopWatch::Run() {
  NameThread("loop-watch");
  std::unique_lock lock(mutex_);
  while (!closed_) {
    if (busy_) {
      changed_.wait_for(lock, blocked_after_ / 2);
    } else {
      changed_.wait(lock);
    }
    lock.unlock();
    Look();
    lock.lock();
  }
}

void LoopWatch::Look() {
  const int64_t since = since_ns_.load(std::memory_order_acquire);
  const std::string* const type = type_.load(std::memory_order_acquire);
  // Both are of the same turn only if it still goes on.
  if (since == 0 || since_ns_.load(std::memory_order_acquire) != since) return;
  const auto blocked = std::chrono::nanoseconds(NowNs() - since);
  if (blocked < blocked_after_) return;
  Tell(*type, std::chrono::duration_cast<milliseconds>(blocked));
}

void LoopWatch::Tell(const std::string& type, milliseconds blocked) {
  {
    std::lock_guard lock(mutex_);
    const int64_t now = NowNs();
    const auto [it, first] = told_ns_.try_emplace(type, now);
    if (!first && now - it->second < kTellEveryNs) return;
    it->second = now;
  }
  events_->Warn(absl::StrCat("handler '", type, "' has blocked the loop of pool '", pool_, "' for ",
                             blocked.count(),
                             " ms, in which no other coroutine ran: let it co_await, or run it in "
                             "threads or processes"));
}

WatchedRun::WatchedRun(std::shared_ptr<LoopWatch> watch, const std::string* type,
                       HandlerMeter* meter, std::shared_ptr<RunningTask> task)
    : watch_(std::move(watch)),
      type_(type),
      meter_(meter != nullptr && meter->Begin() ? meter : nullptr),
      task_(std::move(task)),
      begin_ns_(meter_ == nullptr ? 0 : NowNs()) {}

void WatchedRun::Finish() {
  if (meter_ == nullptr) return;
  RunTimes times;
  times.cpu_ns = cpu_ns_;
  times.wall_ns = NowNs() - begin_ns_;
  meter_->Add(times);
}

WatchedRun::Turn::Turn(WatchedRun& run)
    : run_(run),
      before_(run.watch_->Enter(run.type_)),
      running_(*run.task_),
      cpu_begin_ns_(run.meter_ == nullptr ? 0 : ThreadCpuNs()) {}

WatchedRun::Turn::~Turn() {
  if (run_.meter_ != nullptr) run_.cpu_ns_ += ThreadCpuNs() - cpu_begin_ns_;
  run_.watch_->Leave(before_);
}

}  // namespace treadle::worker
