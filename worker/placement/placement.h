#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "treadle/run_in.h"
#include "treadle/v1/worker_service.pb.h"
#include "worker/pool/handlers.h"

namespace treadle::worker {

// What the runs of a handler took, and what follows from it.
struct HandlerShare {
  int64_t runs = 0;
  int64_t measured = 0;
  double cpu_ms = 0;   // of a run, on average
  double wall_ms = 0;  // the same, without what was spent waiting for a CPU

  static HandlerShare Of(const HandlerMeter& meter);

  // Of the time that a run takes, that in which it computes. From 0 to 1; above 1 it does so on
  // several threads.
  double cpu() const { return wall_ms <= 0 ? 0 : cpu_ms / wall_ms; }
  // Enough was seen to judge it.
  bool known() const;
  // It computes for most of its time, and long enough for a process to be worth its way.
  bool computes() const;
};

// Which type runs in which pool. Not thread-safe.
class Placement {
 public:
  // Of a handler that was registered. INVALID_ARGUMENT: it cannot run there.
  absl::Status Add(std::string_view type, RunIn wish, bool coroutine);
  // The operator's wish. INVALID_ARGUMENT: no such handler, or it cannot run there.
  absl::Status Override(std::string_view type, RunIn wish);

  // kThread, kProcess or kCoroutine: where it runs now. kThread also for an unknown type.
  RunIn PoolOf(std::string_view type) const;
  // In alphabetical order.
  std::vector<std::string> TypesIn(RunIn pool) const;
  // Some type runs there, or may.
  bool Needs(RunIn pool) const;

  // Decides about those that were left to us, and whose first runs are known. True: one has moved.
  bool Decide(const Handlers& handlers);

  v1::HandlerAdvice Advise(std::string_view type, const HandlerShare& share) const;
  // For people: "handler 'x' ran 12 times in thread, 3.1 ms each, 97 % of it computing: run it in
  // processes".
  std::string Describe(std::string_view type, const HandlerShare& share) const;

 private:
  struct Type {
    RunIn pool = RunIn::kThread;
    bool coroutine = false;
    bool undecided = false;
  };
  static absl::Status Put(std::string_view name, RunIn wish, Type& type);

  std::map<std::string, Type, std::less<>> types_;
};

}  // namespace treadle::worker
