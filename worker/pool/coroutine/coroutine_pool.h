#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "worker/pool/handlers.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

struct CoroutinePoolOptions {
  CoroutinePoolOptions() = default;

  std::string name = "coroutine";
  int slots = 10'000;  // coroutines at once, from 1 to 30,000
  // Attempts that may wait for a slot, on top of those that fill the slots.
  int64_t waiting_max = 0;
  // A handler that keeps the loop for so long without awaiting anything is told of by name.
  std::chrono::milliseconds blocked_after{100};
};

// Runs each attempt as a coroutine on one event loop, which has one thread. A stop cancels the
// operation that the coroutine awaits, through Asio's cancellation slots.
//
// Handlers that are no coroutines are run on the loop too, and block it.
class CoroutinePool final : public Pool {
 public:
  // INVALID_ARGUMENT: an option is out of bounds. RESOURCE_EXHAUSTED: the system has no more
  // threads.
  static absl::StatusOr<std::unique_ptr<CoroutinePool>> Start(
      CoroutinePoolOptions options, std::shared_ptr<const Handlers> handlers,
      std::shared_ptr<AttemptEvents> events);
  ~CoroutinePool() override;

  std::string_view name() const override;
  int slots() const override;
  size_t Submit(std::span<AttemptPtr> attempts) override;
  void Stop(const AttemptPtr& attempt, StopReason reason) override;
  std::vector<AttemptPtr> TakeBack(size_t count) override;
  void Close() override;
  size_t Shutdown(std::chrono::milliseconds grace) override;

 private:
  class State;

  explicit CoroutinePool(std::shared_ptr<State> state);

  const std::shared_ptr<State>
      state_;  // shared with the thread: an abandoned one outlives the pool
};

}  // namespace treadle::worker
