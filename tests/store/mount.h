#pragma once

#include <cstdint>
#include <string>

#include "tests/store/temp_directory.h"

namespace treadle::store {

// A file system of the test's own, unmounted by the destructor. Wants root; `refused` says why
// there is none: the test is then skipped.
class Mount {
 public:
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  const std::string& refused() const { return refused_; }
  std::string path() const { return directory_ / "mount"; }

 protected:
  Mount();
  ~Mount();
  void Run(const std::string& command);

  const TempDirectory directory_;
  std::string refused_;
};

class MemoryMount final : public Mount {
 public:
  explicit MemoryMount(int64_t bytes);
  void Grow(int64_t bytes);
};

// ext4 on a file, through a loop device.
class DiskMount final : public Mount {
 public:
  explicit DiskMount(int64_t bytes);
  // Nothing reaches the device any more.
  void CutPower();
  // After CutPower: power is back, and the file system shows what was on the device.
  void Restore();

 private:
  const std::string image_;
};

}  // namespace treadle::store
