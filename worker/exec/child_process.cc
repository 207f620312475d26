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
#include "worker/pool/process/dying_groups.h"
#include "worker/pool/process/file_descriptor.h"
#include "worker/pool/process/spawn_plan.h"

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
  explicit Child(const ChildOptions& options) : options_(options) {}
  // Kills it, when Run has not come to its end.
  ~Child() { End(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  absl::Status Start();
  // REQUIRES: it was started. Once.
  ChildResult Run(std::string_view input, const std::stop_token& stop);

 private:
  bool HasEnded() const;
  void Tell() const;
  void SignalGroup(int signal) const { ::kill(-pid_, signal); }
  int WaitMs() const;
  void Stop();
  void Feed();
  bool ReadOutput();
  bool ReadError();
  void ReadRest();
  void Reap();
  void End();

  const ChildOptions& options_;
  Guard::Place place_;
  pid_t pid_ = 0;         // 0: none, or reaped
  FileDescriptor told_;   // readable once it was told to stop
  FileDescriptor ended_;  // readable once the child has ended; none: the system has no such thing
  FileDescriptor input_;
  FileDescriptor output_;
  FileDescriptor error_;
  std::string_view to_write_;
  std::optional<steady_clock::time_point> kill_at_;
  bool killed_ = false;
  ChildResult result_;
};

absl::Status Child::Start() {
  absl::StatusOr<Pipe> input = NewPipe();
  absl::StatusOr<Pipe> output = NewPipe();
  absl::StatusOr<Pipe> error = NewPipe();
  absl::Status status = input.status();
  status.Update(output.status());
  status.Update(error.status());
  told_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!told_.open()) status.Update(SystemError("an event for a child process", errno));
  if (status.ok() && options_.guard != nullptr) {
    absl::StatusOr<Guard::Place> place = options_.guard->Enter();
    status.Update(place.status());
    if (place.ok()) place_ = *std::move(place);
  }
  if (!status.ok()) return status;

  SpawnPlan plan;
  plan.Give(input->read.number(), STDIN_FILENO);
  plan.Give(output->write.number(), STDOUT_FILENO);
  plan.Give(error->write.number(), STDERR_FILENO);
  plan.CloseFrom(STDERR_FILENO + 1);
  plan.EnterGroup(place_);
  plan.EndWithThread();
  const int failure = plan.Spawn(options_.argv[0], options_.argv, options_.environment, pid_);
  if (failure != 0) {
    return SystemError(absl::StrCat("program '", options_.argv[0], "' cannot be started"), failure);
  }
  ended_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  input_ = std::move(input->write);
  output_ = std::move(output->read);
  error_ = std::move(error->read);
  for (const FileDescriptor* file : {&input_, &output_, &error_}) DoNotBlock(*file);
  return absl::OkStatus();
}

ChildResult Child::Run(std::string_view input, const std::stop_token& stop) {
  const SigpipeBlock sigpipe_block;
  to_write_ = input;
  if (to_write_.empty()) input_.Close();
  const std::stop_callback tell(stop, [this] { Tell(); });
  // Until the child itself has ended: those that it left behind may hold its pipes for ever.
  while (!HasEnded()) {
    pollfd files[] = {{told_.number(), static_cast<short>(kill_at_ ? 0 : POLLIN), 0},
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
  SignalGroup(SIGKILL);
  ReadRest();
  End();
  return std::move(result_);
}

void Child::Tell() const {
  const uint64_t one = 1;
  static_cast<void>(::write(told_.number(), &one, sizeof(one)));
}

// What the child wrote is in the pipes. A process that has left the group may write on and on.
void Child::ReadRest() {
  for (size_t i = 0; i < kLastReadsMax && ReadOutput(); ++i) {
  }
  for (size_t i = 0; i < kLastReadsMax && ReadError(); ++i) {
  }
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
      *kill_at_ += options_.kill_after;
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
  if (static_cast<int64_t>(result_.output.size()) <= options_.output_bytes_max) return true;
  result_.output_too_large = true;
  result_.output.clear();
  output_.Close();
  return false;
}

bool Child::ReadError() {
  const size_t had = result_.error.size();
  if (!ReadSome(error_, result_.error)) return false;
  if (options_.on_error && result_.error.size() > had) {
    options_.on_error(std::string_view(result_.error).substr(had));
  }
  const auto bytes_max = static_cast<size_t>(options_.error_bytes_max);
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

// Returns when nobody in its group is alive.
void Child::End() {
  if (pid_ == 0) return;
  DyingGroups group;
  group.Kill(pid_);
  place_.Leave();  // while the child's number is nobody else's
  Reap();
  pid_ = 0;
  while (!group.AreDead()) ::poll(nullptr, 0, static_cast<int>(group.pause().count()));
}

}  // namespace

absl::StatusOr<ChildResult> RunChild(const ChildOptions& options, std::string_view input,
                                     const std::stop_token& stop) {
  Child child(options);
  if (absl::Status status = child.Start(); !status.ok()) return status;
  return child.Run(input, stop);
}

}  // namespace treadle::worker
