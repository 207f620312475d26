#pragma once

#include <atomic>
#include <cstdint>

namespace treadle::worker {

// What a handler's runs took.
struct RunTimes {
  int64_t cpu_ns = 0;
  int64_t wall_ns = 0;  // without what was spent waiting for a CPU
};

// Adds up what the runs of one handler took. All of the first runs are measured, and few of the
// later ones: looking at a thread's CPU clock costs more than a small handler. Thread-safe.
class HandlerMeter {
 public:
  static constexpr int64_t kFirstRuns = 32;
  static constexpr int64_t kLaterEvery = 1'024;

  // A run begins. True: measure it, and Add.
  bool Begin();
  void Add(const RunTimes& times);

  int64_t runs() const { return runs_.load(std::memory_order_relaxed); }
  int64_t measured() const { return measured_.load(std::memory_order_acquire); }
  // Sums over what was measured.
  RunTimes times() const;

 private:
  std::atomic<int64_t> runs_{0};
  std::atomic<int64_t> measured_{0};
  std::atomic<int64_t> cpu_ns_{0};
  std::atomic<int64_t> wall_ns_{0};
};

// Measures the calling thread, or the whole process, from its construction on.
class RunStopwatch {
 public:
  enum class Of { kThread, kProcess };
  explicit RunStopwatch(Of of);
  // REQUIRES: on the same thread.
  RunTimes Elapsed() const;

 private:
  RunTimes Now() const;

  const Of of_;
  const RunTimes begin_;
};

}  // namespace treadle::worker
