#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "worker/pool/handlers.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

struct ThreadPoolOptions {
  ThreadPoolOptions() = default;

  // Threads are called "<name>-0", "<name>-1", ...; the system keeps the first 15 bytes.
  std::string name = "thread";
  int slots = 1;  // threads, from 1 to 10,000
  // Attempts that may wait for a slot, on top of those that fill the slots.
  int64_t waiting_max = 0;
  // Called on each thread before its first attempt, with the thread's number.
  std::function<void(int thread)> initializer;
};

// Runs each attempt on one of a fixed number of threads.
class ThreadPool final : public Pool {
 public:
  // Starts the threads, and waits until all of them are initialized. INVALID_ARGUMENT: an option is
  // out of bounds. RESOURCE_EXHAUSTED: the system has no more threads. FAILED_PRECONDITION: an
  // initializer threw.
  static absl::StatusOr<std::unique_ptr<ThreadPool>> Start(ThreadPoolOptions options,
                                                           std::shared_ptr<const Handlers> handlers,
                                                           std::shared_ptr<AttemptEvents> events);
  ~ThreadPool() override;

  std::string_view name() const override;
  int slots() const override;
  size_t Submit(std::span<AttemptPtr> attempts) override;
  void Stop(const AttemptPtr& attempt, StopReason reason) override;
  std::vector<AttemptPtr> TakeBack(size_t count) override;
  void Close() override;
  size_t Shutdown(std::chrono::milliseconds grace) override;

 private:
  class State;

  explicit ThreadPool(std::shared_ptr<State> state);

  const std::shared_ptr<State>
      state_;  // shared with the threads: an abandoned one outlives the pool
};

}  // namespace treadle::worker
