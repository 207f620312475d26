// Python's multiprocessing: the sum of squares up to ten million, once for each core, in processes
// of its own.
//   multiprocessing_squares [BROKER]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "client/examples/sum_squares.h"
#include "client/examples/worker_here.h"

#include "treadle/treadle.h"

namespace {

constexpr char kQueue[] = "example.multiprocessing";

// Modulo 2^64, like the sum itself.
uint64_t SumSquares(uint64_t n) {
  uint64_t sum = 0;
  for (uint64_t i = 1; i <= n; ++i) {
    sum += i * i;
    asm volatile("" : "+r"(sum));  // or the compiler knows the formula
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string broker = argc > 1 ? argv[1] : "127.0.0.1:7733";
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  WorkerHere worker(broker, kQueue, "Loom", cores);
  worker->Handle(
      kSumSquares,
      [](treadle::TaskContext&, int64_t n) {
        return static_cast<int64_t>(SumSquares(static_cast<uint64_t>(n)));
      },
      treadle::RunIn::kProcess);
  worker.Start();  // its child processes get no further

  auto client = treadle::Client::Connect(treadle::ClientOptions(broker));
  if (!client.ok()) {
    std::cerr << client.status() << std::endl;
    return EXIT_FAILURE;
  }
  constexpr int64_t kUpTo = 10'000'000;
  const treadle::Pool pool(**client, treadle::ExecutorOptions(kQueue));
  const std::vector<int64_t> inputs(static_cast<size_t>(cores), kUpTo);
  if (auto first = pool.Apply(kSumSquares, 1); !first.ok()) {  // when the processes are there
    std::cerr << first.status() << std::endl;
    return EXIT_FAILURE;
  }
  const Stopwatch one_by_one;
  for (const int64_t n : inputs) {
    if (auto sum = pool.Apply(kSumSquares, n); !sum.ok()) {
      std::cerr << sum.status() << std::endl;
      return EXIT_FAILURE;
    }
  }
  const double apart = one_by_one.Seconds();
  const Stopwatch all_at_once;
  const absl::StatusOr<std::vector<int64_t>> sums = pool.Map(kSumSquares, inputs);
  const double together = all_at_once.Seconds();
  if (!sums.ok()) {
    std::cerr << sums.status() << std::endl;
    return EXIT_FAILURE;
  }
  for (const int64_t sum : *sums) {
    std::printf("sum of squares up to %lld (mod 2^64): %llu\n", static_cast<long long>(kUpTo),
                static_cast<unsigned long long>(sum));
  }
  std::printf("%d sums took %.3f s one by one, %.3f s on %d cores: %.2f times as long\n", cores,
              apart, together, cores, together / apart);
  return EXIT_SUCCESS;
}
