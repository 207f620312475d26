#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace treadle::store {

// How far each file that only grows (RocksDB's write-ahead logs and its MANIFEST) has been synced,
// kept in a file of its own, SYNCED: a log that ends before that has lost its end, though it looks
// like one whose last write was torn.
//
// The record may lag behind, and never runs ahead: it is written when a sync has returned, and
// costs that sync one small write and no fdatasync of its own.
//   after a stop in order, or the death of the process: it is exact
//   after a power cut: it lacks no more than the last syncs, a tenth of a second or so, because
//   its page is on its way to the device by then, and a log's fdatasync flushes the device's cache
//
// The file holds two slots, written in turn, so that a torn one leaves the other:
//   checksum, 8 hex digits · number of the writing, 20 digits · a line each: name, space, bytes
class SyncedEnds {
 public:
  using Ends = std::map<std::string, uint64_t>;  // bytes by the file's name, without its folder

  // What the life before left in the file at `path`. Absent: there is none. DATA_LOSS: it can't be
  // read.
  static absl::StatusOr<std::optional<Ends>> Read(const std::string& path);

  // Writes nothing before Begin.
  explicit SyncedEnds(std::string path);
  ~SyncedEnds();
  SyncedEnds(const SyncedEnds&) = delete;
  SyncedEnds& operator=(const SyncedEnds&) = delete;

  // Any thread, here and below. `name` is on the device up to `bytes`.
  void Synced(const std::string& name, uint64_t bytes);
  void Deleted(const std::string& name);

  // Takes the place of the life before: durably.
  absl::Status Begin();
  // Writes what was told since, if anything was.
  absl::Status Write();
  absl::Status WriteDurably();

 private:
  std::string Slot() const;

  const std::string path_;
  std::mutex mutex_;  // guards all below
  Ends ends_;
  bool changed_ = false;
  uint64_t writings_ = 0;
  int file_ = -1;
  std::chrono::steady_clock::time_point on_its_way_at_;
};

}  // namespace treadle::store
