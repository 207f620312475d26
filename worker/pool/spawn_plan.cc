#include "worker/pool/spawn_plan.h"

#include <csignal>
#include <fcntl.h>

namespace treadle::worker {
namespace {

// posix_spawn wants them so, and changes none of them.
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

SpawnPlan::SpawnPlan() {
  posix_spawn_file_actions_init(&files_);
  posix_spawnattr_init(&attributes_);
  posix_spawnattr_setflags(&attributes_,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes_, 0);
  sigset_t signals;
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes_, &signals);
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes_, &signals);
}

SpawnPlan::~SpawnPlan() {
  posix_spawnattr_destroy(&attributes_);
  posix_spawn_file_actions_destroy(&files_);
}

void SpawnPlan::Give(int file, int as) { posix_spawn_file_actions_adddup2(&files_, file, as); }

void SpawnPlan::GiveNothing(int as) {
  posix_spawn_file_actions_addopen(&files_, as, "/dev/null", O_RDONLY, 0);
}

void SpawnPlan::CloseFrom(int first) { posix_spawn_file_actions_addclosefrom_np(&files_, first); }

int SpawnPlan::Spawn(const std::string& program, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment, pid_t& child) const {
  return ::posix_spawn(&child, program.c_str(), &files_, &attributes_, Pointers(arguments).data(),
                       Pointers(environment).data());
}

}  // namespace treadle::worker
