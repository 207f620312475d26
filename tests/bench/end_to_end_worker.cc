// The worker's side of tests/bench/end_to_end.sh: Treadle's own library, as a user's program has
// it. Its handler does nothing.
//
//   end_to_end_worker ADDRESS
#include <cstdio>
#include <utility>

#include "treadle/worker.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "end_to_end_worker: usage: end_to_end_worker ADDRESS\n");
    return 2;
  }
  treadle::WorkerOptions options(argv[1]);
  options.queues = {"bench"};
  treadle::Worker worker(std::move(options));
  worker.HandleRaw(
      "noop", [](treadle::TaskContext&, const treadle::Bytes&) { return treadle::Bytes("ok"); });
  const absl::Status status = worker.Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "end_to_end_worker: %s\n", status.ToString().c_str());
  return 1;
}
