// Appends the workload's batches to a RocksDB store, going on where it left off, and says on
// standard output, a line each, how far it is durable: what a crash test kills. Exits with 0 when
// all batches are durable, with 3 after the store's error (which goes to standard error).
//
//   store_writer DIRECTORY [--batches=N] [--memtable-bytes=N] [--ballast-bytes=N]
//                [--free-bytes-min=N] [--uid=N] [--hold] [--kill-at-sync=N] [--fail-at-sync=N]
//                [--fail-at-write=N] [--fail-file=SUFFIX] [--fail-errno=N] [--ahead=N]
//
// --kill-at-sync: SIGKILL in place of the process's n-th fdatasync or fsync, whichever thread's.
// --fail-at-sync: that one fails; with --fail-file only those of files so named count.
// --fail-at-write: all writes to the store's files from the n-th on fail; --fail-file as above.
// --fail-errno: with which error, EIO if not said.
// --ahead: how many batches may wait for their sync.
// --hold: keeps the store open until standard input ends.

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unistd.h>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "proto/support/clock.h"
#include "server/store/rocks_store.h"
#include "tests/store/sync_hook.h"
#include "tests/store/workload.h"

namespace treadle::store {
namespace {

std::atomic<int64_t> syncs = 0;
int64_t kill_at_sync = 0;
int64_t fail_at_sync = 0;
std::atomic<int64_t> writes = 0;
int64_t fail_at_write = 0;
int64_t fail_errno = EIO;
std::string fail_file;  // NOLINT: set before the first sync

int CountedSync(const std::string& path, absl::FunctionRef<int()> sync) {
  if (!absl::EndsWith(path, fail_file)) return sync();
  const int64_t number = ++syncs;
  if (number == kill_at_sync) ::kill(::getpid(), SIGKILL);
  if (number != fail_at_sync) return sync();
  errno = static_cast<int>(fail_errno);
  return -1;
}

int CountedWrite(const std::string& path) {
  if (!absl::StrContains(path, "/rows/") || !absl::EndsWith(path, fail_file)) return 0;
  return ++writes >= fail_at_write ? static_cast<int>(fail_errno) : 0;
}

struct Arguments {
  RocksStoreOptions options;
  int64_t batches = 100;
  int64_t ahead = 4;
  int64_t uid = -1;
  bool hold = false;
};

bool ReadNumber(std::string_view argument, absl::string_view name, int64_t& number) {
  absl::string_view rest(argument.data(), argument.size());
  return absl::ConsumePrefix(&rest, absl::StrCat("--", name, "=")) &&
         absl::SimpleAtoi(rest, &number);
}

bool ReadArgument(std::string_view argument, Arguments& to) {
  if (argument == "--hold") return to.hold = true;
  absl::string_view rest(argument.data(), argument.size());
  if (absl::ConsumePrefix(&rest, "--fail-file=")) {
    fail_file = std::string(rest);
    return true;
  }
  return ReadNumber(argument, "batches", to.batches) ||
         ReadNumber(argument, "memtable-bytes", to.options.memtable_bytes) ||
         ReadNumber(argument, "ballast-bytes", to.options.ballast_bytes) ||
         ReadNumber(argument, "free-bytes-min", to.options.free_bytes_min) ||
         ReadNumber(argument, "uid", to.uid) ||
         ReadNumber(argument, "kill-at-sync", kill_at_sync) ||
         ReadNumber(argument, "fail-at-sync", fail_at_sync) ||
         ReadNumber(argument, "fail-at-write", fail_at_write) ||
         ReadNumber(argument, "fail-errno", fail_errno) || ReadNumber(argument, "ahead", to.ahead);
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 3;
}

// The line leaves in one piece, before anything else can happen to the process.
void Say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(4);
}

class Progress {
 public:
  // How many batches the store had at the start.
  void Begin(uint64_t stored) {
    const std::lock_guard lock(mutex_);
    before_ = stored;
    Say(absl::StrCat("synced ", before_, "\n"));
  }

  void Take(const absl::StatusOr<Sequence>& synced) {
    const std::lock_guard lock(mutex_);
    if (synced.ok()) {
      synced_ = *synced;
      Say(absl::StrCat("synced ", before_ + synced_, "\n"));
    } else {
      status_ = synced.status();
    }
    changed_.notify_one();
  }

  absl::Status WaitFor(Sequence sequence) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return synced_ >= sequence || !status_.ok(); });
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t before_ = 0;
  Sequence synced_ = 0;
  absl::Status status_;
};

int Run(const Arguments& arguments) {
  if (arguments.uid >= 0) {
    const auto uid = static_cast<uid_t>(arguments.uid);
    if (::setresuid(uid, uid, uid) != 0) return Fail(absl::ErrnoToStatus(errno, "setresuid"));
  }
  Progress progress;  // outlives the store, whose thread tells it
  const SystemMachineClock machine;
  ServiceClock clock(machine);
  clock.Continue(std::nullopt);
  RocksStoreOptions options = arguments.options;
  options.on_failure = [](const absl::Status& status) { std::_Exit(Fail(status)); };
  absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(options, clock);
  if (!store.ok()) return Fail(store.status());
  const absl::StatusOr<uint64_t> stored = WorkloadCount(**store);
  if (!stored.ok()) return Fail(stored.status());
  progress.Begin(*stored);
  (*store)->SetOnSynced([&](absl::StatusOr<Sequence> synced) { progress.Take(synced); });
  for (uint64_t i = 1; i <= static_cast<uint64_t>(arguments.batches); ++i) {
    const absl::StatusOr<Sequence> appended = (*store)->Append(WorkloadBatch(*stored + i));
    if (!appended.ok()) return Fail(appended.status());
    (*store)->RequestSync();
    const auto ahead = static_cast<uint64_t>(arguments.ahead);
    if (i < ahead) continue;
    if (absl::Status status = progress.WaitFor(i - ahead); !status.ok()) return Fail(status);
  }
  if (absl::Status status = progress.WaitFor(static_cast<uint64_t>(arguments.batches));
      !status.ok()) {
    return Fail(status);
  }
  char byte;
  while (arguments.hold && ::read(STDIN_FILENO, &byte, 1) > 0) continue;
  return 0;
}

}  // namespace
}  // namespace treadle::store

int main(int argc, char** argv) {
  treadle::store::Arguments arguments;
  if (argc < 2) return 2;
  arguments.options.directory = argv[1];
  for (int i = 2; i < argc; ++i) {
    if (!treadle::store::ReadArgument(argv[i], arguments)) {
      std::fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  treadle::store::SetSyncHook(treadle::store::CountedSync);
  if (treadle::store::fail_at_write > 0) {
    treadle::store::SetWriteHook(treadle::store::CountedWrite);
  }
  return treadle::store::Run(arguments);
}
