#include "worker/pool/process/pool_child.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/resource.h>

#include "proto/support/thread_name.h"

namespace treadle::worker {
namespace {

[[noreturn]] void EndProcess(int code) {
  std::fflush(nullptr);
  std::_Exit(code);
}

// What main() may have made of the signals, for its own purposes, is not ours: the parent's SIGTERM
// ends this process, unless the handlers say otherwise.
void RestoreSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGXCPU}) {
    std::signal(signal, SIG_DFL);
    sigaddset(&signals, signal);
  }
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// Of data that the process may write to: what it maps without using counts little that way.
void LimitMemory(int64_t bytes_max) {
  if (bytes_max == 0) return;
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max = static_cast<rlim_t>(bytes_max);
  ::setrlimit(RLIMIT_DATA, &limit);
}

// From now on, on top of what was used so far.
void LimitCpu(int64_t seconds_max) {
  if (seconds_max == 0) return;
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  rlimit limit{};
  ::getrlimit(RLIMIT_CPU, &limit);
  limit.rlim_cur = static_cast<rlim_t>(used.tv_sec + (used.tv_nsec > 0 ? 1 : 0) + seconds_max);
  ::setrlimit(RLIMIT_CPU, &limit);
}

// The run under way, as the thread that hears stop orders sees it.
class CurrentRun {
 public:
  void Begin(uint64_t run, AttemptPtr attempt) {
    std::unique_lock lock(mutex_);
    run_ = run;
    attempt_ = std::move(attempt);
    // The order may have come first: it has a way of its own.
    if (order_.run != run) return;
    const AttemptPtr told = attempt_;
    const StopReason reason = order_.reason;
    lock.unlock();
    told->RequestStop(reason);
  }
  void End() {
    std::lock_guard lock(mutex_);
    attempt_ = nullptr;
  }
  void Stop(const StopOrder& order) {
    std::unique_lock lock(mutex_);
    // Too late: that run is over.
    if (order.run < run_) return;
    order_ = order;
    if (order.run > run_ || attempt_ == nullptr) return;
    const AttemptPtr told = attempt_;
    lock.unlock();
    told->RequestStop(order.reason);
  }

 private:
  std::mutex mutex_;
  uint64_t run_ = 0;
  AttemptPtr attempt_;
  StopOrder order_;
};

// To the parent, which has begun the attempt already, and tells of its end.
class EventsToParent final : public AttemptEvents {
 public:
  explicit EventsToParent(ParentLink& parent) : parent_(parent) {}

  void BeginRun(uint64_t run) { run_.store(run, std::memory_order_relaxed); }

  bool Begin(const AttemptPtr&) override { return true; }
  void End(const AttemptPtr&, AttemptResult) override {}
  void Progress(const Attempt&, double fraction, std::string_view message) override {
    parent_.Send(FrameKind::kProgress, run_.load(std::memory_order_relaxed),
                 WriteFraction(fraction), message.substr(0, kFrameHeadBytesMax));
  }
  // Waits while the parent has no room: it reads on when there is some, and when the attempt is to
  // stop.
  bool Output(const Attempt&, OutputEntry& entry, const std::function<void()>&) override {
    parent_.Send(FrameKind::kOutput, run_.load(std::memory_order_relaxed), WriteOutput(entry),
                 entry.data);
    return true;
  }
  void Warn(std::string) override {}

 private:
  ParentLink& parent_;
  std::atomic<uint64_t> run_{0};
};

class PoolChild {
 public:
  explicit PoolChild(const Handlers& handlers) : handlers_(handlers), events_(parent_) {}

  [[noreturn]] void Serve(const std::function<void(int)>& initializer);

 private:
  void HearOrders();
  void Setup(const std::function<void(int)>& initializer);
  void Run(Frame frame);

  const Handlers& handlers_;
  ParentLink parent_;
  EventsToParent events_;
  CurrentRun current_;
  ChildSetup setup_;
};

void PoolChild::Serve(const std::function<void(int)>& initializer) {
  RestoreSignals();
  try {
    std::thread([this] { HearOrders(); }).detach();
  } catch (const std::system_error& error) {
    parent_.Send(
        FrameKind::kReady, 0, parent_.token(),
        absl::StrCat("the thread that hears stop orders cannot be started: ", error.what()));
    EndProcess(EXIT_FAILURE);
  }
  Setup(initializer);
  Frame frame;
  while (parent_.Next(frame) && frame.kind == FrameKind::kRun) Run(std::move(frame));
  EndProcess(EXIT_SUCCESS);
}

void PoolChild::HearOrders() {
  NameThread("stop-orders");
  StopOrder order;
  while (parent_.NextOrder(order)) current_.Stop(order);
  // The parent is gone, and nobody wants to know what comes of this.
  ::kill(0, SIGKILL);
}

void PoolChild::Setup(const std::function<void(int)>& initializer) {
  Frame frame;
  if (!parent_.Next(frame) || frame.kind != FrameKind::kSetup || !ReadSetup(frame.head, setup_)) {
    EndProcess(EXIT_FAILURE);
  }
  LimitMemory(setup_.memory_bytes_max);
  std::string error;
  try {
    if (initializer) initializer(setup_.number);
  } catch (...) {
    const AttemptResult thrown = AttemptResult::FromCurrentException();
    error = absl::StrCat("its initializer threw ", thrown.error_type, ": ", thrown.error_message);
  }
  parent_.Send(FrameKind::kReady, 0, parent_.token(), error);
  if (!error.empty()) EndProcess(EXIT_FAILURE);
}

void PoolChild::Run(Frame frame) {
  AttemptId id;
  AttemptInfo info;
  if (!ReadInfo(frame.head, id, info)) EndProcess(EXIT_FAILURE);
  const auto attempt =
      std::make_shared<Attempt>(std::move(id), std::move(info), std::move(frame.body));
  attempt->StartClock(std::chrono::steady_clock::now());
  LimitCpu(setup_.cpu_seconds_max);
  events_.BeginRun(frame.run);
  parent_.page().begun.store(frame.run, std::memory_order_release);
  current_.Begin(frame.run, attempt);

  HandlerMeter* const meter = handlers_.MeterOf(attempt->info().type);
  std::optional<RunStopwatch> stopwatch;
  if (meter != nullptr && meter->Begin()) stopwatch.emplace(RunStopwatch::Of::kProcess);
  AttemptResult result = CallHandler(handlers_, *attempt, events_);
  const RunTimes times = stopwatch ? stopwatch->Elapsed() : RunTimes();
  current_.End();

  if (result.bytes.size() > kFrameBodyBytesMax) {
    result = AttemptResult::Failed(
        "ResultTooLarge",
        absl::StrCat("the result has ", result.bytes.size(), " bytes, and a process pool takes ",
                     kFrameBodyBytesMax, " at most: return less, or where to find it"),
        true);
  }
  if (!parent_.Send(FrameKind::kResult, frame.run, WriteResult(result, times), result.bytes)) {
    EndProcess(EXIT_FAILURE);
  }
}

}  // namespace

void ServeParent(const Handlers& handlers, const std::function<void(int)>& initializer) {
  PoolChild(handlers).Serve(initializer);
}

}  // namespace treadle::worker
