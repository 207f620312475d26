#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "worker/pool/attempt_line.h"
#include "worker/pool/handlers.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

// A pool without threads: an attempt runs when, and where, RunOne is called. For tests that decide
// themselves what happens when.
class ManualPool final : public Pool {
 public:
  // `slots` bounds how many RunOne calls run an attempt at once; `waiting_max` as in ThreadPool.
  ManualPool(int slots, int64_t waiting_max, std::shared_ptr<const Handlers> handlers,
             std::shared_ptr<AttemptEvents> events);
  ~ManualPool() override;

  // Runs the attempt that has waited longest, on the calling thread. False: none waits, or no slot
  // is free.
  bool RunOne();

  std::string_view name() const override { return "manual"; }
  int slots() const override { return slots_; }
  size_t Submit(std::span<AttemptPtr> attempts) override;
  void Stop(const AttemptPtr& attempt, StopReason reason) override;
  std::vector<AttemptPtr> TakeBack(size_t count) override;
  void Close() override;
  size_t Shutdown(std::chrono::milliseconds grace) override;

 private:
  struct State;

  const int slots_;
  const std::shared_ptr<State> state_;  // shared with the calls of RunOne
};

}  // namespace treadle::worker
