#include "worker/pool/process/spawn_plan.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proto/support/descriptors.h"

#if defined(__SANITIZE_THREAD__)
// What the child does is the calling thread's for ThreadSanitizer, which must not see half of it,
// nor take the clone for a fork: it knows that by the name without underscores.
#define TREADLE_UNINSTRUMENTED __attribute__((no_sanitize("thread")))
extern "C" int __clone(int (*)(void*), void*, int, void*, ...);
#else
#define TREADLE_UNINSTRUMENTED
#endif

namespace treadle::worker {
namespace {

int CloneSharingMemory(int (*function)(void*), char* stack_end, void* argument) {
  constexpr int kFlags = CLONE_VM | CLONE_VFORK | SIGCHLD;
#if defined(__SANITIZE_THREAD__)
  return ::__clone(function, stack_end, kFlags, argument);
#else
  return ::clone(function, stack_end, kFlags, argument);
#endif
}

// More than the child needs until its program begins.
constexpr size_t kStackBytes = size_t{32} << 10;
constexpr int kSignals = 64;
// Where the system cannot close a range: so many are closed one by one.
constexpr int kClosedOneByOne = 65'536;

// The kernel's own form of it, all of it zero: the signal's default.
struct KernelSigaction {
  void* handler;
  unsigned long flags;
  void* restorer;
  uint64_t mask;
};

// In the child, which does not return.
TREADLE_UNINSTRUMENTED int GiveUp(int& error) {
  error = errno;
  ::syscall(SYS_exit_group, 127);
  return 127;
}

// execve wants them so, and changes none of them.
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

// All that the child needs, made before it begins: it allocates nothing.
struct SpawnPlan::Order {
  const SpawnPlan* plan;
  const char* program;
  char* const* arguments;
  char* const* environment;
  File* files;  // a copy, which the child may write to
  rlimit descriptors;
  pid_t parent;
  int error;
};

// In the child, with the parent's memory and on a stack of its own. System calls only: what stands
// around them in the C library, or a sanitizer, would change what belongs to the parent.
TREADLE_UNINSTRUMENTED int SpawnPlan::InChild(void* argument) {
  Order& order = *static_cast<Order*>(argument);
  const SpawnPlan& plan = *order.plan;
  const size_t file_count = plan.files_.size();
  constexpr KernelSigaction kDefault{};
  for (int signal = 1; signal <= kSignals; ++signal) {
    ::syscall(SYS_rt_sigaction, signal, &kDefault, nullptr, sizeof(kDefault.mask));
  }
  if (plan.end_with_thread_) {
    if (::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return GiveUp(order.error);
    // It may have ended before that.
    if (::syscall(SYS_getppid) != order.parent) return GiveUp(order.error);
  }
  if (::syscall(SYS_setpgid, 0, 0) != 0) return GiveUp(order.error);
  if (plan.place_ != nullptr && !plan.place_->Put(static_cast<pid_t>(::syscall(SYS_getpid)))) {
    return GiveUp(order.error);
  }

  // First out of each other's way.
  for (size_t i = 0; i < file_count; ++i) {
    File& file = order.files[i];
    if (file.file < 0 || file.file >= plan.close_from_) continue;
    const long above = ::syscall(SYS_fcntl, file.file, F_DUPFD_CLOEXEC, plan.close_from_);
    if (above < 0) return GiveUp(order.error);
    file.file = static_cast<int>(above);
  }
  for (size_t i = 0; i < file_count; ++i) {
    const File& file = order.files[i];
    const long from =
        file.file >= 0 ? file.file : ::syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0);
    if (from < 0) return GiveUp(order.error);
    // The one that was opened just now may have the right number by itself.
    if (from != file.as && ::syscall(SYS_dup3, from, file.as, 0) < 0) return GiveUp(order.error);
    if (file.file < 0 && from != file.as) ::syscall(SYS_close, from);
  }
  if (::syscall(SYS_close_range, plan.close_from_, ~0U, 0) != 0) {
    const int end = static_cast<int>(
        std::min<rlim_t>(order.descriptors.rlim_max, static_cast<rlim_t>(kClosedOneByOne)));
    for (int file = plan.close_from_; file < end; ++file) ::syscall(SYS_close, file);
  }
  ::syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &order.descriptors, nullptr);

  constexpr uint64_t kNone = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &kNone, nullptr, sizeof(kNone));
  ::syscall(SYS_execve, order.program, order.arguments, order.environment);
  return GiveUp(order.error);
}

int SpawnPlan::Spawn(const std::string& program, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment, pid_t& child) const {
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  std::vector<File> files = files_;
  Order order{this,
              program.c_str(),
              argument_pointers.data(),
              environment_pointers.data(),
              files.data(),
              FirstDescriptorLimit(),
              ::getpid(),
              0};
  // Not on this stack: what the child leaves there would be poison to AddressSanitizer.
  const auto stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
  // No handler of this process may run in the child.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int made = CloneSharingMemory(InChild, stack.get() + kStackBytes, &order);
  const int error = made < 0 ? errno : order.error;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (made < 0) return error;
  if (error != 0) {
    // Its program never began. It is out of the guard's table before its number is another's.
    if (place_ != nullptr) place_->Put(0);
    while (::waitpid(made, nullptr, 0) < 0 && errno == EINTR) {
    }
    return error;
  }
  child = made;
  return 0;
}

}  // namespace treadle::worker
