#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "proto/support/assert.h"

namespace treadle::store {

// A new empty directory, removed with all that is in it.
class TempDirectory {
 public:
  enum class Where { kDisk, kMemory };

  // kMemory: on a file system without a disk, where there is one, for tests that sync very often.
  explicit TempDirectory(Where where = Where::kDisk) {
    constexpr char kName[] = "treadle-store-XXXXXX";
    std::string path = std::filesystem::path("/dev/shm") / kName;
    if (where == Where::kDisk || ::mkdtemp(path.data()) == nullptr) {
      path = std::filesystem::temp_directory_path() / kName;
      TREADLE_ASSERT(::mkdtemp(path.data()) != nullptr);
    }
    path_ = path;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Of a file in it.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace treadle::store
