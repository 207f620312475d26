#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "worker/pool/process/guard.h"

namespace treadle::worker {

// What the system shall do for a child of ours before it runs its program: a process group of its
// own, default signals, none of them blocked, the limit of open files that this process was started
// with, and those files that it is given.
//
// Not posix_spawn, which cannot do the two last things here. Like it, it makes the child by a clone
// that shares this process's memory until its program begins, while the calling thread waits; so it
// costs the same however large this process is, and is safe beside gRPC and other threads.
class SpawnPlan {
 public:
  SpawnPlan() = default;
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // The child has our `file` under the number `as`.
  void Give(int file, int as) { files_.push_back({file, as}); }
  // The child reads nothing under the number `as`.
  void GiveNothing(int as) { files_.push_back({-1, as}); }
  // The child has no files from this number on. REQUIRES: above all that it is given.
  void CloseFrom(int first) { close_from_ = first; }
  // The child enters its group there before its program begins; `place` outlives Spawn.
  void EnterGroup(const Guard::Place& place) { place_ = &place; }
  // The child is killed when the calling thread ends, as it does when this process ends, whatever
  // ends it. It alone, not its group. For threads that see their children's end.
  void EndWithThread() { end_with_thread_ = true; }

  // 0, or an error number.
  int Spawn(const std::string& program, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, pid_t& child) const;

 private:
  struct Order;
  struct File {
    int file;  // -1: nothing
    int as;
  };

  static int InChild(void* order);

  std::vector<File> files_;
  int close_from_ = 0;
  const Guard::Place* place_ = nullptr;
  bool end_with_thread_ = false;
};

}  // namespace treadle::worker
