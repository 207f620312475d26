#include "tests/store/sync_hook.h"

#include <cerrno>
#include <cstdarg>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include <sys/syscall.h>

namespace treadle::store {
namespace {

SyncHook& OfSyncs() {
  static SyncHook hook;
  return hook;
}

WriteHook& OfWrites() {
  static WriteHook hook;
  return hook;
}

OpenHook& OfOpens() {
  static OpenHook hook;
  return hook;
}

std::string PathOf(int file) {
  char path[4096];
  const std::string link = absl::StrCat("/proc/self/fd/", file);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof(path));
  return std::string(path, size > 0 ? static_cast<size_t>(size) : 0);
}

int Sync(long call, int file) {  // NOLINT: the system's type
  const auto sync = [&] { return static_cast<int>(::syscall(call, file)); };
  return OfSyncs() ? OfSyncs()(PathOf(file), sync) : sync();
}

ssize_t Write(int file, const void* bytes, size_t size) {
  if (OfWrites()) {
    if (const int error = OfWrites()(PathOf(file)); error != 0) {
      errno = error;
      return -1;
    }
  }
  return ::syscall(SYS_write, file, bytes, size);
}

int Open(const char* path, int flags, mode_t mode) {
  if (OfOpens()) {
    if (const int error = OfOpens()(path); error != 0) {
      errno = error;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

}  // namespace

void SetSyncHook(SyncHook hook) { OfSyncs() = std::move(hook); }
void SetWriteHook(WriteHook hook) { OfWrites() = std::move(hook); }
void SetOpenHook(OpenHook hook) { OfOpens() = std::move(hook); }

}  // namespace treadle::store

extern "C" int fdatasync(int file) { return treadle::store::Sync(SYS_fdatasync, file); }
extern "C" int fsync(int file) { return treadle::store::Sync(SYS_fsync, file); }
extern "C" ssize_t write(int file, const void* bytes, size_t size) {
  return treadle::store::Write(file, bytes, size);
}
extern "C" int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return treadle::store::Open(path, flags, mode);
}
