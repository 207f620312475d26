#include "server/store/data_directory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "server/store/file.h"

namespace treadle::store {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr char kLockName[] = "/IN-USE";
constexpr char kFormatName[] = "/FORMAT";
constexpr absl::string_view kFormatText = "treadle store, format ";
// What a store's folder may hold before it has its FORMAT: a creation may have been cut short.
// lost+found: the root of a disk of its own.
constexpr std::array<std::string_view, 7> kOwnNames = {
    "IN-USE", "FORMAT.new", "SYNCED", "SYNCED.new", "BALLAST", "rows", "lost+found"};

std::string FormatLine() { return absl::StrCat(kFormatText, DataDirectory::kFormat, "\n"); }

}  // namespace

DataDirectory::DataDirectory(std::string path) : path_(std::move(path)) {}

DataDirectory::~DataDirectory() {
  if (lock_file_ >= 0) ::close(lock_file_);
}

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("data directory: name a directory");
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path));
  absl::Status status = directory->Create();
  if (status.ok()) status = directory->CheckNames();
  if (status.ok()) status = directory->Lock();
  if (status.ok()) status = directory->CheckFormat();
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat("data directory ", status.message()));
  }
  return directory;
}

absl::Status DataDirectory::Create() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::absolute(path_, error).parent_path();
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", path_, "' lies in the working directory, which is not there any more (",
                     error.message(), "): start in another one, or name an absolute path"));
  }
  std::filesystem::create_directories(parent, error);
  if (error) return FileError(error.value(), parent.string(), "cannot be created");
  if (::mkdir(path_.c_str(), kDirectoryMode) == 0) {
    if (absl::Status status = SyncDirectory(parent.string()); !status.ok()) return status;
  } else if (errno != EEXIST) {
    return FileError(errno, path_, "cannot be created");
  }
  if (!std::filesystem::is_directory(path_, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", path_, "' is not a directory: name another"));
  }
  if (::access(path_.c_str(), R_OK | W_OK | X_OK) != 0) {
    return FileError(errno, path_, "cannot be used");
  }
  return absl::OkStatus();
}

absl::Status DataDirectory::CheckNames() {
  absl::StatusOr<std::vector<std::string>> names = ListDirectory(path_);
  if (!names.ok()) return names.status();
  if (std::find(names->begin(), names->end(), kFormatName + 1) != names->end()) {
    return absl::OkStatus();
  }
  std::erase_if(*names, [](const std::string& name) {
    return std::find(kOwnNames.begin(), kOwnNames.end(), name) != kOwnNames.end();
  });
  if (names->empty()) return absl::OkStatus();
  std::sort(names->begin(), names->end());
  return absl::FailedPreconditionError(
      absl::StrCat("'", path_, "' holds other files (", SomeOf(*std::move(names)),
                   ") and no Treadle store: name an empty or a new directory"));
}

// flock rather than RocksDB's own lock, which it takes only after it has moved its info log aside.
absl::Status DataDirectory::Lock() {
  const std::string name = path_ + kLockName;
  lock_file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (lock_file_ < 0) return FileError(errno, name, "cannot be opened");
  if (::flock(lock_file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError(errno, name, "cannot be locked");
    const absl::StatusOr<std::string> owner = ReadFile(name);
    return absl::FailedPreconditionError(
        absl::StrCat("'", path_, "' is in use by another treadle-server (process ",
                     owner.ok() && !owner->empty() ? absl::StripAsciiWhitespace(*owner) : "unknown",
                     "): stop it, or name another directory"));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(lock_file_, 0) != 0 ||
      ::pwrite(lock_file_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return FileError(errno, name, "cannot be written");
  }
  return absl::OkStatus();
}

absl::Status DataDirectory::CheckFormat() {
  const std::string name = path_ + kFormatName;
  std::error_code error;
  if (!std::filesystem::exists(name, error)) return absl::OkStatus();
  const absl::StatusOr<std::string> text = ReadFile(name);
  if (!text.ok()) return text.status();
  absl::string_view rest = *text;
  int format = 0;
  if (!absl::ConsumePrefix(&rest, kFormatText) || !absl::ConsumeSuffix(&rest, "\n") ||
      !absl::SimpleAtoi(rest, &format) || format < 1) {
    return absl::DataLossError(
        absl::StrCat("'", path_, "': its FORMAT is damaged: restore the directory from a backup"));
  }
  if (format > kFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", path_, "' was written by a newer Treadle (store format ", format,
                     ", this one reads up to ", kFormat,
                     "): start that version or a later one, or name another directory"));
  }
  if (format < kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", path_, "' was written by an older Treadle (store format ", format, ", this one reads ",
        kFormat, "): finish its tasks with that version, and name a new directory"));
  }
  has_format_ = true;
  return absl::OkStatus();
}

absl::Status DataDirectory::WriteFormat() {
  absl::Status status = WriteFileAtomically(path_ + kFormatName, FormatLine());
  has_format_ = has_format_ || status.ok();
  return status;
}

int64_t DataDirectory::FreeBytes() const {
  struct statvfs about = {};
  if (::statvfs(path_.c_str(), &about) != 0) return 0;
  return static_cast<int64_t>(about.f_bavail) * static_cast<int64_t>(about.f_frsize);
}

int64_t DataDirectory::UsedBytes() const {
  constexpr int64_t kBlockBytes = 512;  // stat's unit
  int64_t bytes = 0;
  for (const std::string& folder : {path_, rows_path()}) {
    const absl::StatusOr<std::vector<std::string>> names = ListDirectory(folder);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      struct stat about = {};
      if (::stat(absl::StrCat(folder, "/", name).c_str(), &about) != 0) continue;
      if (S_ISREG(about.st_mode)) bytes += static_cast<int64_t>(about.st_blocks) * kBlockBytes;
    }
  }
  return bytes;
}

}  // namespace treadle::store
