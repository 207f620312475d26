#include "worker/exec/child_process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proto/support/assert.h"
#include "worker/pool/file_descriptor.h"
#include "worker/pool/spawn_plan.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kReadBytes = size_t{64} << 10;
// How often a child is looked at where the system cannot tell by itself that one has ended.
constexpr int kLookEveryMs = 10;
// A pipe holds 1 MiB at most.
constexpr size_t kLastReadsMax = (size_t{1} << 20) / kReadBytes + 1;

absl::Status SystemError(const std::string& what, int error) {
  const std::string message = absl::StrCat(what, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case EMFILE:
    case ENFILE:
    case EAGAIN:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    case E2BIG:
    case ENOEXEC:
      return absl::InvalidArgumentError(message);
    default:
      return absl::InternalError(message);
  }
}

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

absl::StatusOr<Pipe> NewPipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return SystemError("a pipe for a child process", errno);
  Pipe pipe;
  pipe.read = FileDescriptor(ends[0]);
  pipe.write = FileDescriptor(ends[1]);
  return pipe;
}

void DoNotBlock(const FileDescriptor& file) {
  TREADLE_ASSERT(::fcntl(file.number(), F_SETFL, O_NONBLOCK) == 0);
}

// A write to a pipe that nobody reads must be an error on this thread, and nothing more.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~SigpipeBlock() {
    if (sigismember(&before_, SIGPIPE) == 0) {
      const timespec now{};
      while (sigtimedwait(&sigpipe_, nullptr, &now) == SIGPIPE) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_;
  sigset_t before_;
};

// A running child and the pipes to it.
class Child {
 public:
  static absl::StatusOr<Child> Start(const ChildOptions& options);
  Child(Child&&) = default;

  ChildResult Run(std::string_view input, const std::stop_token& stop);

 private:
  explicit Child(const ChildOptions& options) : options_(&options) {}

  bool HasEnded() const;
  void SignalGroup(int signal) const { ::kill(-pid_, signal); }
  int WaitMs() const;
  void Stop();
  void Feed();
  bool ReadOutput();
  bool ReadError();
  void Reap();

  const ChildOptions* options_;
  pid_t pid_ = 0;
  FileDescriptor ended_;  // readable once the child has ended; none: the system has no such thing
  FileDescriptor input_;
  FileDescriptor output_;
  FileDescriptor error_;
  std::string_view to_write_;
  std::optional<steady_clock::time_point> kill_at_;
  bool killed_ = false;
  ChildResult result_;
};

absl::StatusOr<Child> Child::Start(const ChildOptions& options) {
  absl::StatusOr<Pipe> input = NewPipe();
  absl::StatusOr<Pipe> output = NewPipe();
  absl::StatusOr<Pipe> error = NewPipe();
  absl::Status status = input.status();
  status.Update(output.status());
  status.Update(error.status());
  if (!status.ok()) return status;

  Child child(options);
  SpawnPlan plan;
  plan.Give(input->read.number(), STDIN_FILENO);
  plan.Give(output->write.number(), STDOUT_FILENO);
  plan.Give(error->write.number(), STDERR_FILENO);
  plan.CloseFrom(STDERR_FILENO + 1);
  const int failure = plan.Spawn(options.argv[0], options.argv, options.environment, child.pid_);
  if (failure != 0) {
    return SystemError(absl::StrCat("program '", options.argv[0], "' cannot be started"), failure);
  }
  child.ended_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
  child.input_ = std::move(input->write);
  child.output_ = std::move(output->read);
  child.error_ = std::move(error->read);
  for (const FileDescriptor* file : {&child.input_, &child.output_, &child.error_}) {
    DoNotBlock(*file);
  }
  return child;
}

ChildResult Child::Run(std::string_view input, const std::stop_token& stop) {
  const SigpipeBlock sigpipe_block;
  to_write_ = input;
  if (to_write_.empty()) input_.Close();
  const FileDescriptor told(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback tell(stop, [&told] {
    const uint64_t one = 1;
    static_cast<void>(::write(told.number(), &one, sizeof(one)));
  });
  // Until the child itself has ended: those that it left behind may hold its pipes for ever.
  while (!HasEnded()) {
    pollfd files[] = {{told.number(), static_cast<short>(kill_at_ ? 0 : POLLIN), 0},
                      {ended_.number(), POLLIN, 0},
                      {input_.number(), POLLOUT, 0},
                      {output_.number(), POLLIN, 0},
                      {error_.number(), POLLIN, 0}};
    ::poll(files, std::size(files), WaitMs());
    Feed();
    ReadOutput();
    ReadError();
    result_.stopped |= stop.stop_requested();
    if (result_.stopped || result_.output_too_large) Stop();
  }
  // What the child wrote is in the pipes. A process that has left the group may write on and on.
  SignalGroup(SIGKILL);
  for (size_t i = 0; i < kLastReadsMax && ReadOutput(); ++i) {
  }
  for (size_t i = 0; i < kLastReadsMax && ReadError(); ++i) {
  }
  Reap();
  return std::move(result_);
}

bool Child::HasEnded() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid_;
}

// How long to sleep when nothing happens; -1: for ever.
int Child::WaitMs() const {
  int wait_ms = ended_.open() ? -1 : kLookEveryMs;
  if (kill_at_ && !killed_) {
    const auto left = std::chrono::ceil<milliseconds>(*kill_at_ - steady_clock::now()).count();
    const int left_ms = static_cast<int>(std::clamp<int64_t>(left, 0, 1'000));
    wait_ms = wait_ms < 0 ? left_ms : std::min(wait_ms, left_ms);
  }
  return wait_ms;
}

void Child::Stop() {
  if (!kill_at_) {
    kill_at_ = steady_clock::now();
    // What writes too much has had its chance.
    if (!result_.output_too_large) {
      *kill_at_ += options_->kill_after;
      SignalGroup(SIGTERM);
    }
  }
  if (!killed_ && steady_clock::now() >= *kill_at_) {
    killed_ = true;
    SignalGroup(SIGKILL);
  }
}

void Child::Feed() {
  while (input_.open()) {
    const ssize_t written = ::write(input_.number(), to_write_.data(), to_write_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written > 0) to_write_.remove_prefix(static_cast<size_t>(written));
    // Done, or nobody reads it.
    if (written < 0 || to_write_.empty()) input_.Close();
  }
}

// Appends what is there to `text`, up to kReadBytes. False: there is nothing now, or ever.
bool ReadSome(FileDescriptor& file, std::string& text) {
  if (!file.open()) return false;
  const size_t size = text.size();
  text.resize(size + kReadBytes);
  const ssize_t got = ::read(file.number(), text.data() + size, kReadBytes);
  const int error = errno;
  text.resize(size + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got == 0 || (got < 0 && error != EINTR && error != EAGAIN)) file.Close();
  return got > 0 || (got < 0 && error == EINTR);
}

bool Child::ReadOutput() {
  if (result_.output_too_large || !ReadSome(output_, result_.output)) return false;
  if (static_cast<int64_t>(result_.output.size()) <= options_->output_bytes_max) return true;
  result_.output_too_large = true;
  result_.output.clear();
  output_.Close();
  return false;
}

bool Child::ReadError() {
  if (!ReadSome(error_, result_.error)) return false;
  const auto bytes_max = static_cast<size_t>(options_->error_bytes_max);
  if (result_.error.size() > bytes_max) {
    result_.error.erase(0, result_.error.size() - bytes_max);
  }
  return true;
}

void Child::Reap() {
  int status = 0;
  pid_t reaped;
  while ((reaped = ::waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
  }
  if (reaped != pid_) {
    result_.exit_status = -1;  // the process ignores SIGCHLD, so the system kept nothing
  } else if (WIFSIGNALED(status)) {
    result_.signal = WTERMSIG(status);
  } else {
    result_.exit_status = WEXITSTATUS(status);
  }
}

}  // namespace

absl::StatusOr<ChildResult> RunChild(const ChildOptions& options, std::string_view input,
                                     const std::stop_token& stop) {
  absl::StatusOr<Child> child = Child::Start(options);
  if (!child.ok()) return child.status();
  return child->Run(input, stop);
}

}  // namespace treadle::worker
