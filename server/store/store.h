#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "server/store/write_batch.h"

namespace treadle::store {

// Position in the order of appends: 1 for the first batch since the store was opened, and so on. 0:
// nothing.
using Sequence = uint64_t;

// How far an acknowledged append can survive at best.
enum class Reach { kMemory, kDisk };

// What a store has on a disk, and in memory because of it. Bytes.
struct DiskFigures {
  int64_t table_bytes = 0;
  int64_t log_bytes = 0;  // appended since the write-ahead log was begun
  int64_t memtable_bytes = 0;
  int64_t block_cache_bytes = 0;
  int64_t compaction_pending_bytes = 0;  // that compactions have yet to rewrite
  int64_t compactions = 0;               // under way
  int64_t disk_free_bytes = 0;           // of the device, as it was measured last
};

// Durable rows: an ordered map from keys to values, changed by atomic batches, in order.
//
// Everything is called from one thread (the broker's), but Get, GetMany, Scan and ScanBack also
// from within a call that ReadLater makes. `on_synced` is called from a thread of the store's, or
// from within RequestSync; never after the destructor has returned.
//
// A value whose first byte is 1 expires: bytes 2 to 9 are its time of expiry by the store's clock
// (Clock::NowMs, service time), in milliseconds, little endian. After that Get and Scan no longer
// show it, and the store drops it when it next rewrites the file that holds it: no scan is made for
// it. A value whose first byte is 0 stays until it is deleted. (The first 1 or 9 bytes are part of
// the value that Get returns.)
class Store {
 public:
  virtual ~Store() = default;

  virtual std::string_view Kind() const = 0;  // "memory", "rocksdb"
  virtual Reach reach() const = 0;

  // Applies a batch: all of it or nothing; visible to Get and Scan on return, and handed to the
  // operating system, unless the store writes behind. An error leaves the store unusable: the
  // caller stops the process, because its memory is ahead of the disk.
  virtual absl::StatusOr<Sequence> Append(const WriteBatch& batch) = 0;
  // The same without a copy: the batch is then empty, in memory that may be another's.
  virtual absl::StatusOr<Sequence> Take(WriteBatch& batch) {
    absl::StatusOr<Sequence> sequence = Append(batch);
    batch.Clear();
    return sequence;
  }

  // True: the store writes behind. Append does not wait for the disk, and `on_written` is called,
  // on a thread of the store's, with the sequence up to which all is visible and in the operating
  // system's hands, or with the error that Append would have returned. Called once, before the
  // first Append.
  virtual bool SetOnWritten(std::function<void(absl::StatusOr<Sequence>)>) { return false; }
  // What was appended and is not written yet takes in memory. Any thread.
  virtual int64_t UnwrittenBytes() const { return 0; }

  // Asks that everything appended so far be made durable. `on_synced` (see SetOnSynced) is called
  // with the sequence up to which all is on disk; one call may answer several requests.
  virtual void RequestSync() = 0;
  // The same from whoever has nothing else to do meanwhile: the store may do it before it returns.
  virtual void RequestSyncHere() { RequestSync(); }
  // Called once, before the first RequestSync. A status that is not OK: durability is no longer
  // known, stop the process.
  virtual void SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) = 0;

  // NOT_FOUND: no such key. Sees every append, durable or not.
  virtual absl::StatusOr<std::string> Get(std::string_view key) = 0;

  using VisitFound = absl::FunctionRef<bool(size_t index, std::optional<std::string_view> value)>;
  // Get for each key, in order, until `visit` returns false; cheaper than one by one where keys
  // ascend and lie close together. Absent: no such key.
  virtual absl::Status GetMany(absl::Span<const std::string> keys, VisitFound visit);

  using VisitRow = absl::FunctionRef<bool(std::string_view key, std::string_view value)>;
  // Keys in [begin, end), ascending, until `visit` returns false or `rows_max` were looked at,
  // those that are hidden because they have expired among them. Returns from which key to go on;
  // absent: the end was reached. `visit` must not call the store.
  virtual absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin,
                                                          std::string_view end, size_t rows_max,
                                                          VisitRow visit) = 0;
  // The same backwards: keys in [begin, end), descending. Returns the `end` to go on with; absent:
  // the beginning was reached.
  virtual absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin,
                                                              std::string_view end, size_t rows_max,
                                                              VisitRow visit) = 0;
  // All of them, ascending, or until `visit` returns false.
  absl::Status Scan(std::string_view begin, std::string_view end, VisitRow visit);

  enum class Urgency { kWork, kQuestion };
  // Has `read` called once, on a thread of the store's or from within: for reads that may have to
  // wait for a disk. It sees everything that was appended before. Those of one urgency are called
  // in order, work before questions. What has not begun when the store is destroyed is dropped.
  virtual void ReadLater(Urgency urgency, absl::AnyInvocable<void()> read);

  // Bytes free for new rows on the store's device, beside its own needs; INT64_MAX: no device.
  // Does not wait for the device: what was found last is returned, and it is looked at anew.
  virtual int64_t FreeBytes() = 0;

  // Since when a write, a sync or a read of ReadLater has been under way, the oldest of them, by
  // the clock that the store was opened with. Absent: none is. Any thread, and never blocks: this
  // is how others see that a disk hangs.
  virtual std::optional<int64_t> BusySinceMs() const { return std::nullopt; }
  // Absent: it has nothing on a disk. Any thread, but not one that must not wait.
  virtual std::optional<DiskFigures> Figures() const { return std::nullopt; }
};

}  // namespace treadle::store
