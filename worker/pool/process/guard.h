#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include <sys/types.h>

#include "worker/pool/process/file_descriptor.h"

namespace treadle::worker {

// Sees to it that what this process has started ends with it, whatever ends it: kill -9, a crash, a
// second Ctrl-C.
//
// A second process, "treadle-guard", waits for the end of this one, and then kills the process
// groups in a table that both share. The leader of a group enters itself before its program begins,
// so there is no moment in which the program runs and is not in the table; and it is taken out when
// it has been killed, before its number may be another's. The children of process pools enter
// theirs into the same table, where their parent finds what one that has died has left behind.
//
// What no guard can end: a process that has left its group (a daemon, setsid), and one with the
// rights of another user. When the second process is killed, the next Enter starts another; when it
// is killed together with this one, programs still end, but not what they have started
// (SpawnPlan::EndWithThread). Thread-safe.
class Guard {
 public:
  // One group's place in the table.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept
        : entry_(std::exchange(other.entry_, nullptr)), owner_(other.owner_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(entry_, other.entry_);
      std::swap(owner_, other.owner_);
      return *this;
    }
    ~Place() { Leave(); }

    // From now on the place is this group's, by its leader; 0: nobody's yet. False: this process
    // has died meanwhile, and its places are taken from it. A place that is none takes nothing.
    // Does nothing that a process that shares another's memory may not do.
    bool Put(pid_t leader) const;
    // The group has been killed: the place is free.
    void Leave();

   private:
    friend class Guard;
    Place(std::atomic<uint64_t>* entry, pid_t owner) : entry_(entry), owner_(owner) {}

    std::atomic<uint64_t>* entry_ = nullptr;
    pid_t owner_ = 0;
  };

  // Groups at once.
  static constexpr size_t kPlaces = 16'384;

  // Call it first thing in main(), while there is one thread and little memory: it forks. In a
  // child of a process pool: its parent's guard; nullptr when that has none. RESOURCE_EXHAUSTED,
  // INTERNAL: the system refuses.
  static absl::StatusOr<std::shared_ptr<Guard>> Start();
  // Kills the groups that are left in the table.
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // RESOURCE_EXHAUSTED: kPlaces are taken.
  absl::StatusOr<Place> Enter();
  // The leaders of the groups that another process, a pool's child, has entered, ...
  std::vector<pid_t> GroupsOf(pid_t owner) const;
  // ... and they are taken out.
  void Forget(pid_t owner);

  // What a pool's child needs of it.
  int table_file() const { return file_.number(); }
  // The second process. 0: it is another's, or there is none.
  pid_t process() const {
    std::lock_guard lock(mutex_);
    return process_;
  }

 private:
  Guard() = default;
  bool Map();
  absl::Status StartProcess();
  void KeepProcess();
  [[noreturn]] void Watch(int life);
  void KillAll() const;

  FileDescriptor file_;
  std::atomic<uint64_t>* table_ = nullptr;
  std::atomic<size_t> next_{0};  // where a free place is looked for first
  bool ours_ = false;            // not a parent's
  mutable std::mutex mutex_;
  FileDescriptor life_;  // GUARDED_BY(mutex_): its end is ours
  pid_t process_ = 0;    // GUARDED_BY(mutex_)
};

}  // namespace treadle::worker
