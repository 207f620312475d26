#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace treadle::store {

// The folder that holds one store, and this process's hold on it:
//   IN-USE    locked while a process has the store open; says which (its pid)
//   FORMAT    the store's format version; written last at creation, so a store that has it is whole
//   SYNCED    see synced_ends.h
//   BALLAST   see ballast.h
//   rows/     RocksDB's own files
// One thread at a time.
class DataDirectory {
 public:
  // Raised when an older Treadle would misread what this one writes.
  static constexpr int kFormat = 3;

  // Creates the folder if it is missing, locks it, and checks that this program can use what is in
  // it. FAILED_PRECONDITION: in use by another process, written by a newer Treadle, or not a
  // store's folder. PERMISSION_DENIED: no right to read and write there. DATA_LOSS: FORMAT is
  // damaged.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(const std::string& path);
  // Unlocks.
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  // False: FORMAT is not there, nothing was ever stored; call WriteFormat when rows/ is ready.
  bool has_format() const { return has_format_; }
  absl::Status WriteFormat();

  const std::string& path() const { return path_; }
  std::string rows_path() const { return path_ + "/rows"; }
  std::string synced_path() const { return path_ + "/SYNCED"; }
  std::string ballast_path() const { return path_ + "/BALLAST"; }
  // On the device that holds the folder, for this user. 0 when the device does not answer.
  int64_t FreeBytes() const;
  // On the device, by the files in it and in rows/.
  int64_t UsedBytes() const;

 private:
  explicit DataDirectory(std::string path);
  absl::Status Create();
  absl::Status CheckNames();
  absl::Status Lock();
  absl::Status CheckFormat();

  const std::string path_;
  int lock_file_ = -1;
  bool has_format_ = false;
};

}  // namespace treadle::store
