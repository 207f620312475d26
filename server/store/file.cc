#include "server/store/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <sys/stat.h>

#include "proto/support/text.h"

namespace treadle::store {
namespace {

constexpr size_t kNamesShown = 3;

absl::Status WriteAll(int file, std::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(file, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, path, "cannot be written");
    contents.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file) != 0) return FileError(errno, path, "cannot be synced");
  return absl::OkStatus();
}

}  // namespace

absl::Status FileError(int error, std::string_view path, std::string_view what) {
  const std::string message =
      absl::StrCat("'", Absl(path), "' ", Absl(what), " (", std::strerror(error), ")");
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(
          message, ": run as the user that owns it, or give it to the user that runs (chown)"));
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(absl::StrCat(message, ": free some space"));
    case EROFS:
      return absl::FailedPreconditionError(absl::StrCat(message, ": it ", kReadOnlyAdvice));
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(
          absl::StrCat(message, ": raise the limit (ulimit -n; LimitNOFILE= in a systemd unit)"));
    case EIO:
      return absl::DataLossError(
          absl::StrCat(message, ": it is on a device that failed: check the device"));
    default:
      return absl::FailedPreconditionError(message);
  }
}

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return FileError(error.value(), path, "cannot be listed");
  return names;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return FileError(errno, path, "cannot be opened");
  const absl::Cleanup close = [file] { ::close(file); };
  struct stat about = {};
  if (::fstat(file, &about) != 0) return FileError(errno, path, "cannot be read");
  std::string contents(static_cast<size_t>(about.st_size), '\0');
  size_t size = 0;
  while (size < contents.size()) {
    const ssize_t got = ::read(file, contents.data() + size, contents.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, path, "cannot be read");
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  contents.resize(size);
  return contents;
}

std::string SomeOf(std::vector<std::string> names) {
  if (names.size() > kNamesShown) {
    names.resize(kNamesShown);
    names.emplace_back("...");
  }
  return absl::StrJoin(names, ", ");
}

absl::Status SyncDirectory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return FileError(errno, path, "cannot be opened");
  const absl::Cleanup close = [directory] { ::close(directory); };
  if (::fsync(directory) != 0) return FileError(errno, path, "cannot be synced");
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view contents) {
  const std::string fresh = path + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  if (file < 0) return FileError(errno, fresh, "cannot be created");
  const absl::Status written = WriteAll(file, contents, fresh);
  ::close(file);
  if (!written.ok()) return written;
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return FileError(errno, path, "cannot be renamed");
  return SyncDirectory(std::filesystem::path(path).parent_path().string());
}

}  // namespace treadle::store
