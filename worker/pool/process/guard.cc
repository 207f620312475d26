#include "worker/pool/process/guard.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "worker/pool/process/parent_link.h"

namespace treadle::worker {
namespace {

constexpr char kName[] = "treadle-guard";
constexpr size_t kTableBytes = Guard::kPlaces * sizeof(std::atomic<uint64_t>);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// An entry: 20 bits that depend on the rest, the process that made it, the leader of the group.
// The system's process ids have 22 bits. What a process that has lost its mind may write there must
// not end others' processes.
constexpr int kPidBits = 22;
constexpr uint64_t kPidMask = (uint64_t{1} << kPidBits) - 1;

uint64_t Sealed(uint64_t owner, uint64_t leader) {
  const uint64_t both = owner << kPidBits | leader;
  const uint64_t seal = ((both + 1) * 0x9E3779B97F4A7C15) >> (2 * kPidBits);
  return seal << (2 * kPidBits) | both;
}

struct Entry {
  explicit Entry(uint64_t word)
      : owner(static_cast<pid_t>(word >> kPidBits & kPidMask)),
        leader(static_cast<pid_t>(word & kPidMask)),
        sound(word == Sealed(static_cast<uint64_t>(owner), static_cast<uint64_t>(leader))) {}

  pid_t owner;
  pid_t leader;
  bool sound;

  // -1 would be everybody's.
  bool is_group() const { return sound && leader > 1; }
};

absl::Status SystemError(const char* what) {
  const std::string message =
      absl::StrCat("what programs start cannot be guarded: ", what, ": ", std::strerror(errno));
  if (errno == EMFILE || errno == ENFILE || errno == EAGAIN || errno == ENOMEM) {
    return absl::ResourceExhaustedError(message);
  }
  return absl::InternalError(message);
}

// What lists of processes show: not the worker's name and flags, by which somebody may kill it.
void Rename() {
  ::prctl(PR_SET_NAME, kName);
  char* const arguments = program_invocation_name;
  const int file = ::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  char shown[4'096];
  size_t bytes = 0;
  for (ssize_t got; (got = ::read(file, shown, sizeof(shown))) > 0;) {
    // The name may have been moved elsewhere.
    if (bytes == 0 && std::strncmp(shown, arguments, static_cast<size_t>(got)) != 0) break;
    bytes += static_cast<size_t>(got);
  }
  ::close(file);
  if (bytes == 0) return;
  std::memset(arguments, 0, bytes);
  std::memcpy(arguments, kName, std::min(bytes, sizeof(kName)) - 1);
}

}  // namespace

bool Guard::Place::Put(pid_t leader) const {
  if (entry_ == nullptr) return true;
  uint64_t word = entry_->load(std::memory_order_relaxed);
  const Entry entry(word);
  return entry.sound && entry.owner == owner_ &&
         entry_->compare_exchange_strong(
             word, Sealed(static_cast<uint64_t>(owner_), static_cast<uint64_t>(leader)));
}

void Guard::Place::Leave() {
  if (entry_ != nullptr) std::exchange(entry_, nullptr)->store(0, std::memory_order_release);
}

bool Guard::Map() {
  void* const mapped =
      ::mmap(nullptr, kTableBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.number(), 0);
  if (mapped == MAP_FAILED) return false;
  table_ = static_cast<std::atomic<uint64_t>*>(mapped);
  return true;
}

absl::StatusOr<std::shared_ptr<Guard>> Guard::Start() {
  std::shared_ptr<Guard> guard(new Guard);
  if (ParentLink::Exists()) {
    guard->file_ = FileDescriptor(kChildGroups);
    struct stat file;
    const bool there = ::fstat(kChildGroups, &file) == 0 && S_ISREG(file.st_mode) &&
                       file.st_size == static_cast<off_t>(kTableBytes);
    if (!there || !guard->Map()) return std::shared_ptr<Guard>();
    return guard;
  }
  // Not below the numbers that a pool's child gets.
  const FileDescriptor made(::memfd_create(kName, MFD_CLOEXEC));
  guard->file_ = FileDescriptor(::fcntl(made.number(), F_DUPFD_CLOEXEC, kChildFiles));
  if (!guard->file_.open() || ::ftruncate(guard->file_.number(), kTableBytes) != 0 ||
      !guard->Map()) {
    return SystemError("its table");
  }
  guard->ours_ = true;
  if (absl::Status status = guard->StartProcess(); !status.ok()) return status;
  return guard;
}

// REQUIRES: mutex_, or nobody else has it yet.
absl::Status Guard::StartProcess() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return SystemError("a pipe");
  const FileDescriptor theirs(ends[0]);
  life_ = FileDescriptor(ends[1]);
  // Whatever is sent to the worker, its group or its terminal is not for the second process, which
  // has to outlive it: there they stay blocked.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  process_ = ::fork();
  if (process_ == 0) Watch(theirs.number());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (process_ > 0) return absl::OkStatus();
  process_ = 0;
  return SystemError("a process");
}

// Somebody may have killed it. When there can be no other now, the next call tries again.
void Guard::KeepProcess() {
  if (!ours_) return;
  std::lock_guard lock(mutex_);
  if (process_ != 0 && ::waitpid(process_, nullptr, WNOHANG) == 0) return;
  process_ = 0;
  static_cast<void>(StartProcess());
}

// The second process.
void Guard::Watch(int life) {
  ::setsid();
  Rename();
  static_cast<void>(::chdir("/"));
  // Nor may those who read what the worker writes wait for this one.
  ::dup2(life, 0);
  if (::syscall(SYS_close_range, 1, ~0U, 0) != 0) {
    for (int file = 1; file < 1'024; ++file) ::close(file);
  }
  char nothing;
  ssize_t got;
  while ((got = ::read(0, &nothing, 1)) < 0 && errno == EINTR) {
  }
  // Twice: a pool's child may have been about to start a program, which enters itself at any time
  // before it finds that its parent is gone.
  KillAll();
  KillAll();
  ::_exit(0);
}

void Guard::KillAll() const {
  for (size_t i = 0; i < kPlaces; ++i) {
    const Entry entry(table_[i].load(std::memory_order_acquire));
    if (entry.is_group()) ::kill(-entry.leader, SIGKILL);
  }
}

Guard::~Guard() {
  life_.Close();
  if (process_ != 0) {
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (table_ != nullptr) ::munmap(table_, kTableBytes);
}

absl::StatusOr<Guard::Place> Guard::Enter() {
  KeepProcess();
  const pid_t owner = ::getpid();
  const uint64_t mine = Sealed(static_cast<uint64_t>(owner), 0);
  const size_t from = next_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < kPlaces; ++i) {
    std::atomic<uint64_t>& entry = table_[(from + i) % kPlaces];
    uint64_t free = 0;
    if (entry.compare_exchange_strong(free, mine, std::memory_order_relaxed)) {
      return Place(&entry, owner);
    }
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(kPlaces, " programs and child processes run at once: lower --concurrency"));
}

std::vector<pid_t> Guard::GroupsOf(pid_t owner) const {
  std::vector<pid_t> leaders;
  for (size_t i = 0; i < kPlaces; ++i) {
    const Entry entry(table_[i].load(std::memory_order_acquire));
    if (entry.is_group() && entry.owner == owner) leaders.push_back(entry.leader);
  }
  return leaders;
}

void Guard::Forget(pid_t owner) {
  for (size_t i = 0; i < kPlaces; ++i) {
    const Entry entry(table_[i].load(std::memory_order_acquire));
    if (entry.sound && entry.owner == owner) table_[i].store(0, std::memory_order_release);
  }
}

}  // namespace treadle::worker
