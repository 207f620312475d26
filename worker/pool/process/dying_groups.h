#pragma once

#include <chrono>
#include <vector>

#include <sys/types.h>

namespace treadle::worker {

// Process groups that are killed, until nobody in them is alive: an attempt is over only then.
class DyingGroups {
 public:
  // SIGKILL to all of the group.
  void Kill(pid_t leader);

  // True: nobody in any of these groups is alive. Zombies are not, whoever should reap them.
  bool AreDead();
  // When to look again; grows with each look in vain, from 1 ms to 1 s. What has been killed is
  // gone at once, unless the system holds it (an unreachable disk).
  std::chrono::milliseconds pause() const { return pause_; }

 private:
  std::vector<pid_t> leaders_;
  std::chrono::milliseconds pause_{1};
};

}  // namespace treadle::worker
