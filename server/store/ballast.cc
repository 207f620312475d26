#include "server/store/ballast.h"

#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <sys/stat.h>

#include "server/store/file.h"

namespace treadle::store {
namespace {

constexpr int64_t kPlenty = 3;  // times its own size

bool Allocate(const std::string& path, int64_t bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, kFileMode);
  if (file < 0) return false;
  const bool allocated = ::posix_fallocate(file, 0, bytes) == 0;
  ::close(file);
  if (!allocated) ::unlink(path.c_str());
  return allocated;
}

}  // namespace

Ballast::Ballast(std::string path, int64_t bytes) : path_(std::move(path)), bytes_(bytes) {
  struct stat about = {};
  held_ = ::stat(path_.c_str(), &about) == 0;
  // Left by a store that was opened with another size.
  if (held_ && about.st_size != bytes_) held_ = ::unlink(path_.c_str()) != 0;
}

void Ballast::Adjust(int64_t free_bytes, int64_t release_below_bytes) {
  if (held_) {
    if (free_bytes < release_below_bytes) held_ = ::unlink(path_.c_str()) != 0;
  } else if (bytes_ > 0 && free_bytes > release_below_bytes + kPlenty * bytes_) {
    held_ = Allocate(path_, bytes_);
  }
}

}  // namespace treadle::store
