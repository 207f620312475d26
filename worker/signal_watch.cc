#include "worker/signal_watch.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"

namespace treadle::worker {
namespace {

// Where the handler writes each signal's number; negative: nobody watches. 0 is the end.
std::atomic<int> told_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

// One pipe's end for each signal that came, in one byte.
void Tell(int signal) {
  const int error = errno;
  const auto byte = static_cast<char>(signal);
  const int fd = told_fd.load();
  // A full pipe has been told of more than two.
  if (fd >= 0 && ::write(fd, &byte, 1) < 0) {
  }
  errno = error;
}

sigset_t StopSignalSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SignalWatch>> SignalWatch::Start(std::function<void(int)> on_stop) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("no pipe for signals: ", std::strerror(errno),
                                                     ": raise the limit (ulimit -n)"));
  }
  int nobody = -1;
  if (!told_fd.compare_exchange_strong(nobody, fds[1])) {
    ::close(fds[0]);
    ::close(fds[1]);
    return absl::FailedPreconditionError(
        "another worker of this process waits for signals: Run this one, and Stop it");
  }
  // What a blocking read of the pipe is for: the watch has nothing else to do.
  ::fcntl(fds[0], F_SETFL, 0);
  try {
    return absl::WrapUnique(new SignalWatch(std::move(on_stop), fds[0], fds[1]));
  } catch (const std::system_error& error) {
    told_fd.store(-1);
    ::close(fds[0]);
    ::close(fds[1]);
    return absl::ResourceExhaustedError(
        absl::StrCat("a thread for signals cannot be started: ", error.what()));
  }
}

SignalWatch::SignalWatch(std::function<void(int)> on_stop, int read_fd, int write_fd)
    : on_stop_(std::move(on_stop)), read_fd_(read_fd), write_fd_(write_fd) {
  thread_ = std::thread([this] { Wait(); });
  const sigset_t signals = StopSignalSet();
  TREADLE_ASSERT(::pthread_sigmask(SIG_BLOCK, &signals, &mask_before_) == 0);
  struct sigaction action {};
  action.sa_handler = Tell;
  action.sa_flags = SA_RESTART;
  TREADLE_ASSERT(::sigaction(SIGTERM, &action, &term_before_) == 0);
  TREADLE_ASSERT(::sigaction(SIGINT, &action, &int_before_) == 0);
}

SignalWatch::~SignalWatch() {
  ::sigaction(SIGTERM, &term_before_, nullptr);
  ::sigaction(SIGINT, &int_before_, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  const char end = 0;
  TREADLE_ASSERT(::write(write_fd_, &end, 1) == 1);
  thread_.join();
  told_fd.store(-1);
  ::close(read_fd_);
  ::close(write_fd_);
}

void SignalWatch::Wait() {
  // Here they are heard, whatever the mask of the thread that started this one.
  const sigset_t signals = StopSignalSet();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  bool stopping = false;
  while (true) {
    char signal = 0;
    const ssize_t got = ::read(read_fd_, &signal, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1 || signal == 0) return;
    if (std::exchange(stopping, true)) ::_exit(128 + signal);
    on_stop_(signal);
  }
}

}  // namespace treadle::worker
