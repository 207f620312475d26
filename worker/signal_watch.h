#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"

namespace treadle::worker {

// Hears SIGTERM and SIGINT while it lives, in a program that is not ours: the first is told, the
// second ends the process at once with exit code 128 + its number. Afterwards the program's own
// handlers, and the calling thread's mask, are as before.
//
// The calling thread, and those that it starts meanwhile, have both signals blocked, so that no
// call of theirs is interrupted. One at a time in a process.
class SignalWatch {
 public:
  // `on_stop` is called once at most, on a thread of the watch's; it must not block. REQUIRES:
  // destroyed by the calling thread. FAILED_PRECONDITION: there is one already.
  // RESOURCE_EXHAUSTED: the system refuses a descriptor or a thread.
  static absl::StatusOr<std::unique_ptr<SignalWatch>> Start(
      std::function<void(int signal)> on_stop);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  SignalWatch(std::function<void(int)> on_stop, int read_fd, int write_fd);
  void Wait();

  const std::function<void(int)> on_stop_;
  const int read_fd_;
  const int write_fd_;
  struct sigaction term_before_ {};
  struct sigaction int_before_ {};
  sigset_t mask_before_{};
  std::thread thread_;
};

}  // namespace treadle::worker
