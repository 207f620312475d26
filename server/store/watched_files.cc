#include "server/store/watched_files.h"

#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <thread>
#include <unistd.h>
#include <utility>

#include "absl/strings/match.h"
#include <sys/stat.h>

#include "server/store/diary.h"
#include "server/store/rocks_status.h"

namespace treadle::store {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// Connections come and go within seconds; a limit that is too low for the store stays so.
constexpr int kOpenTries = 100;
constexpr auto kOpenAgainAfter = std::chrono::milliseconds(100);

template <typename Open>
IOStatus OpenWithPatience(const std::function<void(const std::string&)>& notice, Open open) {
  IOStatus status = open();
  if (WantsDescriptors(status) && notice) {
    notice(
        "no descriptor is left: the store waits some seconds for one; raise the limit (ulimit -n)");
  }
  for (int tries = 1; tries < kOpenTries && WantsDescriptors(status); ++tries) {
    std::this_thread::sleep_for(kOpenAgainAfter);
    status = open();
  }
  return status;
}

// Bytes of a file that are given back at once, and the pause for syncs after it.
constexpr off_t kGivenBackAtOnce = 1 << 20;
constexpr auto kGiveBackPause = std::chrono::milliseconds(1);

// A file that is about to lose its name.
class Nameless {
 public:
  explicit Nameless(const std::string& path) : file_(::open(path.c_str(), O_WRONLY | O_CLOEXEC)) {}
  ~Nameless() {
    if (file_ >= 0) ::close(file_);
  }
  Nameless(const Nameless&) = delete;
  Nameless& operator=(const Nameless&) = delete;

  // Shrinks it, unless it has another name: a backup's. What fails is left to its close.
  void GiveBack() {
    struct stat about {};
    if (file_ < 0 || ::fstat(file_, &about) != 0 || about.st_nlink > 0) return;
    for (off_t bytes = about.st_size - kGivenBackAtOnce; bytes > 0; bytes -= kGivenBackAtOnce) {
      if (::ftruncate(file_, bytes) != 0) return;
      std::this_thread::sleep_for(kGiveBackPause);
    }
  }

 private:
  const int file_;
};

bool OnlyGrows(const std::string& name) {
  return absl::EndsWith(name, ".log") || absl::StartsWith(name, "MANIFEST-");
}

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

class WatchedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  // `ends` is nullptr for a file that does not only grow.
  WatchedFile(std::unique_ptr<rocksdb::FSWritableFile>&& file, std::string name,
              const WatchedFiles& files, SyncedEnds* ends)
      : FSWritableFileOwnerWrapper(std::move(file)),
        name_(std::move(name)),
        files_(files),
        ends_(ends) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    return Grown(data, target()->Append(data, options, debug));
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    return Grown(data, target()->Append(data, options, verification, debug));
  }
  IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    return files_.Told(target()->PositionedAppend(data, offset, options, debug));
  }
  IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo& verification,
                            IODebugContext* debug) override {
    return files_.Told(target()->PositionedAppend(data, offset, options, verification, debug));
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    return files_.Told(target()->Truncate(size, options, debug));
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return files_.Told(target()->Close(options, debug));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return files_.Told(target()->Flush(options, debug));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const uint64_t bytes = bytes_;
    return Synced(bytes, target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const uint64_t bytes = bytes_;
    return Synced(bytes, target()->Fsync(options, debug));
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* debug) override {
    return files_.Told(target()->RangeSync(offset, bytes, options, debug));
  }

 private:
  IOStatus Grown(const rocksdb::Slice& data, IOStatus status) {
    if (status.ok()) bytes_ += data.size();
    return files_.Told(std::move(status));
  }
  // Up to `bytes`, which were there before the sync began.
  IOStatus Synced(uint64_t bytes, IOStatus status) {
    if (status.ok() && ends_ != nullptr && bytes > 0) ends_->Synced(name_, bytes);
    return files_.Told(std::move(status));
  }

  const std::string name_;
  const WatchedFiles& files_;
  SyncedEnds* const ends_;
  std::atomic<uint64_t> bytes_ = 0;
};

class WatchedDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  WatchedDirectory(std::unique_ptr<rocksdb::FSDirectory>&& directory, const WatchedFiles& files)
      : FSDirectoryWrapper(std::move(directory)), files_(files) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return files_.Told(FSDirectoryWrapper::Fsync(options, debug));
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& more) override {
    return files_.Told(FSDirectoryWrapper::FsyncWithDirOptions(options, debug, more));
  }

 private:
  const WatchedFiles& files_;
};

}  // namespace

WatchedFiles::WatchedFiles(SyncedEnds& ends, std::function<void(const std::string&)> notice)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), ends_(ends), notice_(std::move(notice)) {}

void WatchedFiles::Watch(std::function<void(const rocksdb::Status&)> on_failure) {
  on_failure_ = std::move(on_failure);
  watching_ = true;
}

IOStatus WatchedFiles::Told(IOStatus status) const {
  if (!status.ok() && watching_) on_failure_(status);
  return status;
}

IOStatus WatchedFiles::NewSequentialFile(const std::string& path,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                         IODebugContext* debug) {
  return OpenWithPatience(notice_,
                          [&] { return target()->NewSequentialFile(path, options, file, debug); });
}

IOStatus WatchedFiles::NewRandomAccessFile(const std::string& path,
                                           const rocksdb::FileOptions& options,
                                           std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                           IODebugContext* debug) {
  return OpenWithPatience(
      notice_, [&] { return target()->NewRandomAccessFile(path, options, file, debug); });
}

IOStatus WatchedFiles::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSWritableFile> opened;
  IOStatus status = OpenWithPatience(
      notice_, [&] { return target()->NewWritableFile(path, options, &opened, debug); });
  if (!status.ok()) return Told(std::move(status));
  std::string name = NameOf(path);
  SyncedEnds* const ends = OnlyGrows(name) ? &ends_ : nullptr;
  *file = std::make_unique<WatchedFile>(std::move(opened), std::move(name), *this, ends);
  return status;
}

IOStatus WatchedFiles::NewDirectory(const std::string& path, const IOOptions& options,
                                    std::unique_ptr<rocksdb::FSDirectory>* directory,
                                    IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> opened;
  IOStatus status = OpenWithPatience(
      notice_, [&] { return target()->NewDirectory(path, options, &opened, debug); });
  if (status.ok()) *directory = std::make_unique<WatchedDirectory>(std::move(opened), *this);
  return status;
}

IOStatus WatchedFiles::NewLogger(const std::string& path, const IOOptions&,
                                 std::shared_ptr<rocksdb::Logger>* logger, IODebugContext*) {
  *logger = std::make_shared<Diary>(path);
  return IOStatus::OK();
}

IOStatus WatchedFiles::RenameFile(const std::string& from, const std::string& to,
                                  const IOOptions& options, IODebugContext* debug) {
  IOStatus status = target()->RenameFile(from, to, options, debug);
  return NameOf(from) == "LOG" ? status : Told(std::move(status));
}

IOStatus WatchedFiles::DeleteFile(const std::string& path, const IOOptions& options,
                                  IODebugContext* debug) {
  Nameless file(path);
  IOStatus status = target()->DeleteFile(path, options, debug);
  if (!status.ok()) return status;
  ends_.Deleted(NameOf(path));
  // Before that nobody waits for a sync, but for the store to open.
  if (watching_) file.GiveBack();
  return status;
}

}  // namespace treadle::store
