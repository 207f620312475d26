#pragma once

#include <cstdint>
#include <string>

namespace treadle::store {

// Space held by a file that holds nothing, given back when the device runs out of it, so that what
// is under way can still be finished and stored after the broker has begun to refuse new work.
//
// The steps as a device fills, with the store's and the broker's defaults:
//   1,088 MiB free: the broker refuses submits: of that 832 MiB are for compactions, rows in memory
//                   and outcomes (RocksStore::FreeBytes), and 256 MiB must be left.
//     128 MiB free: the ballast goes: 64 MiB more for outcomes.
//      64 MiB free: Append refuses, and the broker stops in good order; what was appended is safe.
// The ballast comes back when there is plenty again. One thread.
class Ballast {
 public:
  // `bytes` 0: holds nothing, ever.
  Ballast(std::string path, int64_t bytes);

  // Gives the space back below `release_below_bytes` free, takes it when there is more than three
  // times its size above that. Best effort: space that cannot be had is not held.
  void Adjust(int64_t free_bytes, int64_t release_below_bytes);

  bool held() const { return held_; }

 private:
  const std::string path_;
  const int64_t bytes_;
  bool held_ = false;
};

}  // namespace treadle::store
