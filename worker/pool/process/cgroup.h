#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <sys/types.h>

// Bounds of memory that hold for all that a process and its own children use, by cgroup v2. Only
// where this process's cgroup was delegated to it, since others' cgroups are not ours to change.

namespace treadle::worker {

// Where the system shows cgroups.
struct CgroupPlaces {
  CgroupPlaces() = default;

  std::string root = "/sys/fs/cgroup";
  std::string self = "/proc/self/cgroup";
  pid_t companion = 0;  // a process that moves where this one does; 0: none
};

class Cgroup;

// The cgroup that was delegated to this process, as the parent of those that it makes. Not
// thread-safe.
class CgroupTree : public std::enable_shared_from_this<CgroupTree> {
 public:
  // A cgroup that has others below it must hold no process itself: this one moves into a cgroup
  // below. FAILED_PRECONDITION: there is no cgroup v2 with a memory controller, it was not
  // delegated (by systemd's Delegate=, or to a container), or other processes are in it. `name` is
  // for the names of what it makes: no other tree of this process may have the same.
  static absl::StatusOr<std::shared_ptr<CgroupTree>> Find(const CgroupPlaces& places,
                                                          std::string_view name);
  // Removes what could not be removed earlier, as far as it can be now.
  ~CgroupTree();
  CgroupTree(const CgroupTree&) = delete;
  CgroupTree& operator=(const CgroupTree&) = delete;

  const std::string& folder() const { return folder_; }

  // INTERNAL: the system refuses.
  absl::StatusOr<std::unique_ptr<Cgroup>> Make(int64_t memory_bytes_max);

 private:
  friend class Cgroup;

  CgroupTree(std::string folder, std::string_view name) : folder_(std::move(folder)), name_(name) {}
  void Remove(const std::string& folder);

  const std::string folder_;
  const std::string name_;
  int64_t made_ = 0;
  std::vector<std::string> leftovers_;
};

// For one child. Removed, with whatever still runs in it, when it goes. Not thread-safe.
class Cgroup {
 public:
  Cgroup(std::shared_ptr<CgroupTree> tree, std::string folder, int64_t memory_bytes_max)
      : tree_(std::move(tree)), folder_(std::move(folder)), memory_bytes_max_(memory_bytes_max) {}
  ~Cgroup() { tree_->Remove(folder_); }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // From now on the process is bounded, with all that it will start. False: the system refuses.
  bool Enter(pid_t process);
  // The system has killed its processes because they needed more than memory_bytes_max.
  bool out_of_memory() const;
  int64_t memory_bytes_max() const { return memory_bytes_max_; }

 private:
  const std::shared_ptr<CgroupTree> tree_;
  const std::string folder_;
  const int64_t memory_bytes_max_;
};

}  // namespace treadle::worker
