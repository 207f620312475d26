#include "tests/store/sync_hook.h"

#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/syscall.h>

namespace treadle::store {
namespace {

SyncHook& Hook() {
  static SyncHook hook;
  return hook;
}

int Sync(long call, int file) {  // NOLINT: the system's type
  const auto sync = [&] { return static_cast<int>(::syscall(call, file)); };
  if (!Hook()) return sync();
  char path[4096];
  const std::string link = absl::StrCat("/proc/self/fd/", file);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof(path));
  return Hook()(std::string(path, size > 0 ? static_cast<size_t>(size) : 0), sync);
}

}  // namespace

void SetSyncHook(SyncHook hook) { Hook() = std::move(hook); }

}  // namespace treadle::store

extern "C" int fdatasync(int file) { return treadle::store::Sync(SYS_fdatasync, file); }
extern "C" int fsync(int file) { return treadle::store::Sync(SYS_fsync, file); }
