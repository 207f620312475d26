#include "worker/exec/orphans.h"

#include <atomic>
#include <csignal>
#include <exception>
#include <iterator>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "worker/pool/process/file_descriptor.h"

namespace treadle::worker {
namespace {

// How often it is looked whether a process has ended, where the signal that says so went to a
// thread that does not block it.
constexpr int kLookAgainMs = 1'000;

bool IsInit() {
  int subreaper = 0;
  return ::getpid() == 1 || (::prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper != 0);
}

void Reap() {
  siginfo_t info{};
  // Of this thread's children only: programs and children of pools are other threads'.
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WNOTHREAD) == 0 && info.si_pid != 0) {
    info.si_pid = 0;
  }
}

}  // namespace

void WithoutOrphans(const std::function<void()>& work) {
  if (!IsInit()) {
    work();
    return;
  }
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &child_ended, nullptr);
  const FileDescriptor signals(::signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK));
  const FileDescriptor told(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::atomic<bool> done = false;
  std::jthread worker([&] {
    work();
    done = true;
    const uint64_t one = 1;
    static_cast<void>(::write(told.number(), &one, sizeof(one)));
  });
  pollfd files[] = {{signals.number(), POLLIN, 0}, {told.number(), POLLIN, 0}};
  while (!done) {
    Reap();
    ::poll(files, std::size(files), kLookAgainMs);
    signalfd_siginfo info;
    while (::read(signals.number(), &info, sizeof(info)) > 0) {
    }
  }
}

}  // namespace treadle::worker
