#include "tests/worker/pool/live_pools.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "worker/pool/coroutine/coroutine_pool.h"
#include "worker/pool/manual_pool.h"
#include "worker/pool/process/process_pool.h"
#include "worker/pool/thread/thread_pool.h"

namespace treadle::worker {
namespace {

template <typename P, typename Options>
class LiveStarted final : public LivePool {
 public:
  LiveStarted(PoolShape shape, std::shared_ptr<const Handlers> handlers,
              std::shared_ptr<AttemptEvents> events) {
    Options options;
    options.slots = shape.slots;
    options.waiting_max = shape.waiting_max;
    pool_ = *P::Start(options, std::move(handlers), std::move(events));
  }
  Pool& pool() override { return *pool_; }

 private:
  std::unique_ptr<P> pool_;
};

// The manual pool with a crew that turns its crank.
class LiveManualPool final : public LivePool {
 public:
  LiveManualPool(PoolShape shape, std::shared_ptr<const Handlers> handlers,
                 std::shared_ptr<AttemptEvents> events)
      : pool_(std::make_shared<ManualPool>(shape.slots, shape.waiting_max, std::move(handlers),
                                           std::move(events))),
        over_(std::make_shared<std::atomic<bool>>(false)) {
    for (int i = 0; i < shape.slots; ++i) {
      std::thread([pool = pool_, over = over_] {
        while (!*over) {
          if (!pool->RunOne()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }).detach();
    }
  }
  ~LiveManualPool() override { *over_ = true; }
  Pool& pool() override { return *pool_; }

 private:
  std::shared_ptr<ManualPool> pool_;
  std::shared_ptr<std::atomic<bool>> over_;
};

template <typename Live>
PoolKind KindOf(std::string name) {
  PoolKind kind;
  kind.name = std::move(name);
  kind.start = [](PoolShape shape, std::shared_ptr<const Handlers> handlers,
                  std::shared_ptr<AttemptEvents> events) {
    return std::make_unique<Live>(shape, std::move(handlers), std::move(events));
  };
  return kind;
}

}  // namespace

std::vector<PoolKind> AllPoolKinds() {
  std::vector<PoolKind> kinds;
  kinds.push_back(KindOf<LiveStarted<ThreadPool, ThreadPoolOptions>>("Thread"));
  kinds.push_back(KindOf<LiveManualPool>("Manual"));
  kinds.push_back(KindOf<LiveStarted<ProcessPool, ProcessPoolOptions>>("Process"));
  kinds.back().ends_by_force = true;
  kinds.push_back(KindOf<LiveStarted<CoroutinePool, CoroutinePoolOptions>>("Coroutine"));
  kinds.back().coroutines = true;
  // Coroutines run in the other pools too, where their operator wants them to.
  kinds.push_back(KindOf<LiveStarted<ThreadPool, ThreadPoolOptions>>("CoroutineInThread"));
  kinds.back().coroutines = true;
  return kinds;
}

}  // namespace treadle::worker
