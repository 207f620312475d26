#include "proto/program/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <utility>

#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "proto/support/assert.h"

namespace treadle::program {

StopSignals::StopSignals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  struct sigaction hangup;
  TREADLE_ASSERT(::sigaction(SIGHUP, nullptr, &hangup) == 0);
  // What is blocked would be heard although it is ignored.
  if (hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  TREADLE_ASSERT(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  end_fd_ = ::eventfd(0, EFD_CLOEXEC);
  TREADLE_ASSERT(signal_fd_ >= 0 && end_fd_ >= 0);
  waiter_ = std::thread([this] { Wait(); });
}

StopSignals::~StopSignals() {
  const uint64_t one = 1;
  TREADLE_ASSERT(::write(end_fd_, &one, sizeof(one)) == sizeof(one));
  waiter_.join();
  if (caller_.joinable()) caller_.join();
  ::close(signal_fd_);
  ::close(end_fd_);
}

void StopSignals::OnStop(std::function<void(int)> callback) {
  std::lock_guard lock(mutex_);
  callback_ = std::move(callback);
  if (received_ != 0) {
    caller_ = std::thread([this, signal = std::exchange(received_, 0)] { callback_(signal); });
  }
}

void StopSignals::Wait() {
  while (true) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;  // EINTR
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (::read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
      Received(static_cast<int>(info.ssi_signo));
    }
  }
}

void StopSignals::Received(int signal) {
  std::lock_guard lock(mutex_);
  if (stopping_ && signal == SIGHUP) return;
  if (std::exchange(stopping_, true)) ::_exit(128 + signal);
  if (callback_) {
    caller_ = std::thread([this, signal] { callback_(signal); });
  } else {
    received_ = signal;
  }
}

}  // namespace treadle::program
