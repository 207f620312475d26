#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <sys/resource.h>

#include "treadle/internal/coroutine_handler.h"
#include "worker/pool/coroutine/coroutine_pool.h"
#include "worker/pool/process/parent_link.h"
#include "worker/pool/process/pool_child.h"
#include "worker/pool/process/process_pool.h"
#include "worker/pool/thread/thread_pool.h"

// What the pools cost: pool_bench noop | large | scale | coroutines. Prints one line for each
// figure.

namespace {

using namespace treadle::worker;  // NOLINT(google-build-using-namespace): a program of one file
using std::chrono::duration;
using std::chrono::steady_clock;

class CountingEvents final : public AttemptEvents {
 public:
  bool Begin(const AttemptPtr& attempt) override {
    attempt->StartClock(steady_clock::now());
    return true;
  }
  void End(const AttemptPtr&, AttemptResult result) override {
    if (result.end != AttemptEnd::kSucceeded) std::abort();
    std::lock_guard lock(mutex_);
    if (++ended_ == wanted_) changed_.notify_all();
  }
  void Progress(const Attempt&, double, std::string_view) override {}
  bool Output(const Attempt&, OutputEntry&, const std::function<void()>&) override { return true; }
  void Warn(std::string line) override { std::fprintf(stderr, "%s\n", line.c_str()); }

  void Expect(size_t count) {
    std::lock_guard lock(mutex_);
    wanted_ = ended_ + count;
  }
  void WaitForAll() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ >= wanted_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t ended_ = 0;
  size_t wanted_ = 0;
};

asio::awaitable<AttemptResult> SleepOneSecond(treadle::TaskContext&, std::string) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::seconds(1));
  co_await timer.async_wait(asio::use_awaitable);
  co_return AttemptResult::Succeeded({}, {});
}

void AddHandlers(Handlers& handlers) {
  handlers.AddCoroutine("sleep_1s", std::make_shared<CoroutineHandler>(SleepOneSecond));
  handlers.Add("noop", [](treadle::TaskContext&, const std::string&) {
    return AttemptResult::Succeeded({}, {});
  });
  handlers.Add("echo", [](treadle::TaskContext&, std::string payload) {
    return AttemptResult::Succeeded(std::move(payload), {});
  });
  handlers.Add("compute", [](treadle::TaskContext&, const std::string&) {
    std::atomic<uint64_t> sum = 0;
    for (uint64_t i = 0; i < 20'000'000; ++i)
      sum.store(sum.load(std::memory_order_relaxed) + i * i, std::memory_order_relaxed);
    return AttemptResult::Succeeded({}, {});
  });
}

double CpuSeconds(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Cost {
  double cpu_s = 0;  // of this process and the children that it had
  double wall_s = 0;
};

// Runs `count` attempts to their ends.
template <typename StartPool>
Cost Run(StartPool start, const char* type, size_t count, size_t payload_bytes) {
  const auto events = std::make_shared<CountingEvents>();
  std::vector<AttemptPtr> attempts;
  for (uint64_t token = 1; token <= count; ++token) {
    AttemptInfo info;
    info.queue = "default";
    info.type = type;
    attempts.push_back(std::make_shared<Attempt>(AttemptId{"3f-" + std::to_string(token), token},
                                                 std::move(info), std::string(payload_bytes, 'x')));
  }
  const double cpu = CpuSeconds(RUSAGE_SELF) + CpuSeconds(RUSAGE_CHILDREN);
  std::unique_ptr<Pool> pool = start(events);
  const auto begin = steady_clock::now();
  events->Expect(count);
  if (count > 0 && pool->Submit(attempts) != count) std::abort();
  events->WaitForAll();
  Cost cost;
  cost.wall_s = duration<double>(steady_clock::now() - begin).count();
  pool.reset();
  cost.cpu_s = CpuSeconds(RUSAGE_SELF) + CpuSeconds(RUSAGE_CHILDREN) - cpu;
  return cost;
}

class Bench {
 public:
  Bench() { AddHandlers(*handlers_); }

  Cost Threads(const char* type, int slots, size_t count, size_t bytes = 0) {
    return Run(
        [&](std::shared_ptr<AttemptEvents> events) {
          ThreadPoolOptions options;
          options.slots = slots;
          options.waiting_max = static_cast<int64_t>(count);
          return *ThreadPool::Start(options, handlers_, std::move(events));
        },
        type, count, bytes);
  }
  // Without what it takes to start the children.
  Cost Processes(const char* type, int slots, size_t count, size_t bytes = 0) {
    const auto start = [&](std::shared_ptr<AttemptEvents> events) {
      ProcessPoolOptions options;
      options.slots = slots;
      options.waiting_max = static_cast<int64_t>(count);
      return *ProcessPool::Start(options, handlers_, std::move(events));
    };
    const Cost idle = Run(start, type, 0, 0);
    Cost cost = Run(start, type, count, bytes);
    cost.cpu_s -= idle.cpu_s;
    return cost;
  }

  void Noop() {
    constexpr size_t kCount = 200'000;
    for (const int slots : {1, 2, 4}) {
      const Cost threads = Threads("noop", slots, kCount);
      const Cost processes = Processes("noop", slots, kCount);
      const auto each = [](double seconds) { return seconds * 1e6 / kCount; };
      std::printf(
          "noop slots=%d: threads %.2f us CPU (%.2f us wall), processes %.2f us CPU "
          "(%.2f us wall), difference %.2f us CPU\n",
          slots, each(threads.cpu_s), each(threads.wall_s), each(processes.cpu_s),
          each(processes.wall_s), each(processes.cpu_s - threads.cpu_s));
    }
  }
  void Large() {
    constexpr size_t kCount = 20, kBytes = size_t{16} << 20;
    const Cost cost = Processes("echo", 2, kCount, kBytes);
    const double megabytes = static_cast<double>(2 * kCount * kBytes) / 1e6;
    std::printf("echo of 16 MiB through 2 processes: %.0f MB/s, %.2f ms CPU each\n",
                megabytes / cost.wall_s, cost.cpu_s * 1e3 / kCount);
  }
  void Coroutines() {
    constexpr size_t kCount = 10'000;
    const Cost cost = Run(
        [&](std::shared_ptr<AttemptEvents> events) {
          return *CoroutinePool::Start(CoroutinePoolOptions(), handlers_, std::move(events));
        },
        "sleep_1s", kCount, 0);
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf("%zu coroutines that wait 1 s: %.2f s, %.2f s CPU, %.0f MB at most\n", kCount,
                cost.wall_s, cost.cpu_s, static_cast<double>(usage.ru_maxrss) / 1024);
  }
  void Scale() {
    constexpr size_t kCount = 40;
    constexpr int kRounds = 5;
    // The best round of each: what else the machine does is not the pool's.
    double one = std::numeric_limits<double>::max();
    double two = one;
    for (int round = 0; round < kRounds; ++round) {
      one = std::min(one, Processes("compute", 1, kCount).wall_s);
      two = std::min(two, Processes("compute", 2, kCount).wall_s);
    }
    std::printf("compute, best of %d: one process %.2f s, two processes %.2f s: %.0f %%\n", kRounds,
                one, two, 100 * two / one);
  }

 private:
  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
};

}  // namespace

int main(int argc, char** argv) {
  if (ParentLink::Exists()) {
    Handlers handlers;
    AddHandlers(handlers);
    ServeParent(handlers, nullptr);
  }
  const std::string_view what = argc == 2 ? argv[1] : "";
  Bench bench;
  if (what == "noop") {
    bench.Noop();
  } else if (what == "large") {
    bench.Large();
  } else if (what == "coroutines") {
    bench.Coroutines();
  } else if (what == "scale") {
    bench.Scale();
  } else {
    std::fputs("usage: pool_bench noop | large | scale | coroutines\n", stderr);
    return 2;
  }
  return 0;
}
