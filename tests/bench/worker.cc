// The worker's side of what tests/bench/run.py and operators.py measure: Treadle's own library, as
// a user's program has it. Its handlers do nothing, or fail for good, in one of twenty ways.
//
//   bench_worker ADDRESS QUEUE...
#include "treadle/worker.h"

#include <atomic>
#include <cstdio>
#include <string>
#include <utility>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "bench_worker: usage: bench_worker ADDRESS QUEUE...\n");
    return 2;
  }
  treadle::WorkerOptions options(argv[1]);
  options.queues.assign(argv + 2, argv + argc);
  constexpr unsigned kErrors = 20;
  std::atomic<unsigned> failed = 0;
  treadle::Worker worker(std::move(options));
  for (const char* const type : {"noop", "noop2"}) {
    worker.HandleRaw(
        type, [](treadle::TaskContext&, const treadle::Bytes&) { return treadle::Bytes("ok"); });
  }
  worker.HandleRaw(
      "fail", [&failed](treadle::TaskContext&, treadle::Bytes) -> absl::StatusOr<treadle::Bytes> {
        const auto letter = static_cast<char>('a' + failed++ % kErrors);
        return treadle::Permanent(absl::NotFoundError(std::string("no such address: ") + letter));
      });
  const absl::Status status = worker.Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench_worker: %s\n", status.ToString().c_str());
  return 1;
}
