#include "tests/store/mount.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "proto/support/assert.h"

namespace treadle::store {
namespace {

// Not in the C library's headers.
constexpr unsigned long kExt4Shutdown = 0x8004587d;  // NOLINT: EXT4_IOC_SHUTDOWN
constexpr uint32_t kWithoutLogFlush = 2;             // EXT4_GOING_FLAGS_NOLOGFLUSH

}  // namespace

Mount::Mount() { std::filesystem::create_directory(path()); }

Mount::~Mount() {
  if (refused_.empty()) ::umount2(path().c_str(), MNT_DETACH);
}

void Mount::Run(const std::string& command) {
  if (!refused_.empty()) return;
  if (std::system(absl::StrCat(command, " 2>", directory_.path(), "/refusal").c_str()) != 0) {
    refused_ = absl::StrCat("'", command, "' is refused here");
  }
}

MemoryMount::MemoryMount(int64_t bytes) {
  Run(absl::StrCat("mount -t tmpfs -o size=", bytes, " tmpfs ", path()));
}

void MemoryMount::Grow(int64_t bytes) {
  Run(absl::StrCat("mount -o remount,size=", bytes, " ", path()));
  TREADLE_ASSERT(refused_.empty());
}

DiskMount::DiskMount(int64_t bytes) : image_(directory_ / "image") {
  Run(absl::StrCat("truncate -s ", bytes, " ", image_));
  Run(absl::StrCat("mkfs.ext4 -q ", image_));
  Run(absl::StrCat("mount -o loop ", image_, " ", path()));
}

void DiskMount::CutPower() {
  const int directory = ::open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  TREADLE_ASSERT(directory >= 0);
  uint32_t flags = kWithoutLogFlush;
  TREADLE_ASSERT(::ioctl(directory, kExt4Shutdown, &flags) == 0);
  ::close(directory);
}

void DiskMount::Restore() {
  TREADLE_ASSERT(::umount2(path().c_str(), 0) == 0);
  Run(absl::StrCat("mount -o loop ", image_, " ", path()));
  TREADLE_ASSERT(refused_.empty());
}

}  // namespace treadle::store
