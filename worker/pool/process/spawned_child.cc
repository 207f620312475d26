#include "worker/pool/process/spawned_child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <random>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "proto/support/text.h"
#include "worker/pool/process/signal_name.h"
#include "worker/pool/process/spawn_plan.h"

namespace treadle::worker {
namespace {

constexpr int kSocketBytes = 1 << 20;

absl::Status SystemError(std::string_view what, int error) {
  const std::string message = absl::StrCat(Absl(what), ": ", std::strerror(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InternalError(message);
  }
}

// What this process was started with.
std::vector<std::string> OwnArguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  if (arguments.empty()) arguments.emplace_back("treadle-child");
  return arguments;
}

std::vector<std::string> Environment(const std::string& value) {
  const std::string mark = absl::StrCat(kChildVariable, "=");
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!absl::StartsWith(*variable, mark)) environment.emplace_back(*variable);
  }
  environment.push_back(mark + value);
  return environment;
}

std::string NewToken() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&token, absl::Hex(random(), absl::kZeroPad8));
  return token;
}

// Above the numbers that the files get in the child, which they must not stand in the way of.
FileDescriptor MoveUp(int file) {
  const FileDescriptor old(file);
  return FileDescriptor(file < 0 ? -1 : ::fcntl(file, F_DUPFD_CLOEXEC, kChildFiles));
}

// Two connected sockets; false: the system refuses, errno says why.
bool Connect(int type, FileDescriptor& ours, FileDescriptor& theirs) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return false;
  ours = FileDescriptor(ends[0]);
  theirs = MoveUp(ends[1]);
  if (!theirs.open()) return false;
  for (const FileDescriptor* end : {&ours, &theirs}) {
    ::setsockopt(end->number(), SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof(kSocketBytes));
  }
  return ::fcntl(ours.number(), F_SETFL, O_NONBLOCK) == 0;
}

}  // namespace

std::string ProcessExit::ToString() const {
  if (status < 0) return "ended, and the system does not tell how to those who ignore SIGCHLD";
  if (signal == 0) return absl::StrCat("ended with exit code ", status);
  std::string text = absl::StrCat("was ended by ", SignalName(signal));
  if (memory_bytes_max) {
    absl::StrAppend(&text, ": it needed more than its memory limit of ", *memory_bytes_max,
                    " bytes");
  }
  return text;
}

absl::StatusOr<std::unique_ptr<SpawnedChild>> SpawnedChild::Start(
    ChildSetup setup, const std::vector<std::string>& arguments, const std::string& key,
    std::unique_ptr<Cgroup> cgroup, std::shared_ptr<Guard> guard) {
  std::unique_ptr<SpawnedChild> child(new SpawnedChild);
  child->reaped_ = true;  // until there is one
  FileDescriptor socket, control;
  if (!Connect(SOCK_STREAM, child->socket_, socket) ||
      !Connect(SOCK_SEQPACKET, child->control_, control)) {
    return SystemError("a socket for a child process", errno);
  }
  const FileDescriptor page = MoveUp(::memfd_create("treadle-child", MFD_CLOEXEC));
  if (!page.open() || ::ftruncate(page.number(), sizeof(ChildPage)) != 0) {
    return SystemError("shared memory for a child process", errno);
  }
  void* const mapped =
      ::mmap(nullptr, sizeof(ChildPage), PROT_READ | PROT_WRITE, MAP_SHARED, page.number(), 0);
  if (mapped == MAP_FAILED) return SystemError("shared memory for a child process", errno);
  child->page_ = static_cast<ChildPage*>(mapped);

  SpawnPlan plan;
  if (guard != nullptr) {
    absl::StatusOr<Guard::Place> place = guard->Enter();
    if (!place.ok()) return place.status();
    child->place_ = *std::move(place);
    plan.EnterGroup(child->place_);
    plan.Give(guard->table_file(), kChildGroups);
    child->guard_ = std::move(guard);
  } else {
    plan.GiveNothing(kChildGroups);
  }
  child->token_ = NewToken();
  plan.GiveNothing(STDIN_FILENO);
  plan.Give(socket.number(), kChildSocket);
  plan.Give(control.number(), kChildControl);
  plan.Give(page.number(), kChildPage);
  plan.CloseFrom(kChildFiles);
  // By this name it is found also when its file has been replaced since this process began.
  const int error = plan.Spawn("/proc/self/exe", arguments.empty() ? OwnArguments() : arguments,
                               Environment(absl::StrCat(child->token_, "/", key)), child->pid_);
  if (error != 0) {
    return SystemError("this program cannot be started again as a child process", error);
  }
  child->reaped_ = false;
  child->ended_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, child->pid_, 0)));
  // Before it is told anything, so before it runs any handler.
  if (cgroup != nullptr && cgroup->Enter(child->pid_)) {
    child->cgroup_ = std::move(cgroup);
    setup.memory_bytes_max = 0;
  }
  child->Send(FrameKind::kSetup, 0, WriteSetup(setup), {});
  return child;
}

SpawnedChild::~SpawnedChild() {
  if (!reaped_) {
    Signal(SIGKILL);
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    Reap();
  }
  if (page_ != nullptr) ::munmap(page_, sizeof(ChildPage));
}

void SpawnedChild::Send(FrameKind kind, uint64_t run, std::string_view head,
                        std::string_view body) {
  start_ = FrameStart(kind, run, head, body.size());
  body_ = body;
  Flush();
}

bool SpawnedChild::Flush() {
  while (!start_.empty() || !body_.empty()) {
    iovec parts[] = {{start_.data(), start_.size()},
                     {const_cast<char*>(body_.data()), body_.size()}};
    msghdr message{};
    message.msg_iov = start_.empty() ? parts + 1 : parts;
    message.msg_iovlen = (start_.empty() ? 0 : 1) + (body_.empty() ? 0 : 1);
    const ssize_t sent = ::sendmsg(socket_.number(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (sent < 0) {
      // It has died, which is heard of in another way.
      start_.clear();
      body_ = {};
      return true;
    }
    const size_t done = std::min(static_cast<size_t>(sent), start_.size());
    start_.erase(0, done);
    body_.remove_prefix(static_cast<size_t>(sent) - done);
  }
  return true;
}

void SpawnedChild::OrderStop(uint64_t run, StopReason reason) {
  StopOrder order;
  order.run = run;
  order.reason = reason;
  // What does not fit any more is one of thousands that were not even read.
  static_cast<void>(::send(control_.number(), &order, sizeof(order), MSG_NOSIGNAL));
}

void SpawnedChild::LetGo() { ::shutdown(socket_.number(), SHUT_WR); }

void SpawnedChild::Signal(int signal) {
  if (!reaped_) ::kill(-pid_, signal);
}

bool SpawnedChild::HasEnded() const {
  siginfo_t info{};
  return reaped_ ||
         ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid_;
}

std::optional<ProcessExit> SpawnedChild::Reap() {
  if (!HasEnded()) return std::nullopt;
  if (!reaped_) {
    // Before its number may be another's.
    groups_.Kill(pid_);
    if (guard_ != nullptr) {
      for (const pid_t leader : guard_->GroupsOf(pid_)) groups_.Kill(leader);
      guard_->Forget(pid_);
    }
    place_.Leave();
    ReapProcess();
  }
  return exit_;
}

void SpawnedChild::ReapProcess() {
  int status = 0;
  pid_t reaped;
  while ((reaped = ::waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  if (reaped != pid_) {
    exit_.status = -1;  // this process ignores SIGCHLD, so the system kept nothing
  } else if (WIFSIGNALED(status)) {
    exit_.signal = WTERMSIG(status);
    if (exit_.signal == SIGKILL && cgroup_ != nullptr && cgroup_->out_of_memory()) {
      exit_.memory_bytes_max = cgroup_->memory_bytes_max();
    }
  } else {
    exit_.status = WEXITSTATUS(status);
  }
  cgroup_.reset();
}

}  // namespace treadle::worker
