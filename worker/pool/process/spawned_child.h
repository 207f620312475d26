#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include <sys/types.h>

#include "worker/pool/process/cgroup.h"
#include "worker/pool/process/dying_groups.h"
#include "worker/pool/process/file_descriptor.h"
#include "worker/pool/process/frame.h"
#include "worker/pool/process/guard.h"
#include "worker/pool/process/parent_link.h"

namespace treadle::worker {

// How a process ended.
struct ProcessExit {
  int status = 0;  // its exit code, when no signal ended it
  int signal = 0;  // 0: none
  // It was ended because it needed more than that.
  std::optional<int64_t> memory_bytes_max;

  // "was ended by SIGSEGV", "ended with exit code 3".
  std::string ToString() const;
};

// A process pool's child, as its parent sees it: this binary, running again, with the same
// arguments. Leads a process group of its own, so that a terminal's Ctrl-C is for the parent alone,
// and what it starts itself ends with it. Not thread-safe.
class SpawnedChild {
 public:
  // The child is told `setup` as soon as it listens; `arguments` are what it is started with;
  // `key` is for it to know whose it is; `cgroup`, when there is one, bounds its memory in the
  // place of its own rlimit; `guard`, when there is one, ends it with this process.
  // RESOURCE_EXHAUSTED, INTERNAL: the system refuses.
  static absl::StatusOr<std::unique_ptr<SpawnedChild>> Start(
      ChildSetup setup, const std::vector<std::string>& arguments, const std::string& key,
      std::unique_ptr<Cgroup> cgroup, std::shared_ptr<Guard> guard);
  // Kills it, when it has not been reaped.
  ~SpawnedChild();
  SpawnedChild(const SpawnedChild&) = delete;
  SpawnedChild& operator=(const SpawnedChild&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& token() const { return token_; }
  // Readable: a frame, or the end. Writable: Flush gets on.
  int socket() const { return socket_.number(); }
  // Readable once it has ended. -1: the system has no such thing.
  int ended() const { return ended_.number(); }

  // The frames that it sends.
  FrameReader& frames() { return frames_; }

  // Sends as much as goes without waiting. `body` must live until Flush says so, or the child has
  // been reaped. REQUIRES: the last one is out.
  void Send(FrameKind kind, uint64_t run, std::string_view head, std::string_view body);
  // True: everything is out, or never will be.
  bool Flush();
  // Asks a run to stop. Arrives out of turn, and means nothing to any other run.
  void OrderStop(uint64_t run, StopReason reason);
  // It will get no more: when it is done it ends by itself.
  void LetGo();
  // To it and to the processes that it has started.
  void Signal(int signal);

  // The newest run that has begun. Also after its end.
  uint64_t begun() const { return page_->begun.load(std::memory_order_acquire); }
  bool HasEnded() const;
  // False: it bounds its memory itself, if at all.
  bool in_cgroup() const { return cgroup_ != nullptr; }
  // None: it has not ended. What it has left behind is killed: its process group, and the groups
  // that it has entered with the guard.
  std::optional<ProcessExit> Reap();
  // All of that, once it was reaped.
  DyingGroups& left_behind() { return groups_; }

 private:
  SpawnedChild() = default;
  void ReapProcess();

  std::string token_;
  pid_t pid_ = 0;
  bool reaped_ = false;
  std::shared_ptr<Guard> guard_;
  Guard::Place place_;
  ProcessExit exit_;    // when it has been reaped
  DyingGroups groups_;  // of it and what it has started
  FileDescriptor socket_;
  FileDescriptor control_;
  FileDescriptor ended_;
  std::unique_ptr<Cgroup> cgroup_;
  ChildPage* page_ = nullptr;
  FrameReader frames_;
  std::string start_;      // being sent
  std::string_view body_;  // after it
};

}  // namespace treadle::worker
