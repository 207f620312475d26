#pragma once

#include <spawn.h>
#include <string>
#include <vector>

namespace treadle::worker {

// What posix_spawn shall do for a child of ours: a process group of its own, default signals, none
// of them blocked, and those files that it is given.
class SpawnPlan {
 public:
  SpawnPlan();
  ~SpawnPlan();
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // The child has our `file` under the number `as`.
  void Give(int file, int as);
  // The child reads nothing under the number `as`.
  void GiveNothing(int as);
  // The child has no files from this number on.
  void CloseFrom(int first);

  // 0, or an error number.
  int Spawn(const std::string& program, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, pid_t& child) const;

 private:
  posix_spawn_file_actions_t files_;
  posix_spawnattr_t attributes_;
};

}  // namespace treadle::worker
