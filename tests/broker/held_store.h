#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/clock.h"
#include "server/store/memory_store.h"

namespace treadle::broker {

// A machine whose clocks a test moves.
struct TestMachine : MachineClock {
  int64_t SinceBootMs() const override { return now_ms; }
  int64_t UnixMs() const override { return now_ms + wall_set_by_ms; }
  std::string BootId() const override { return "boot"; }
  int64_t now_ms = 1'000'000;
  int64_t wall_set_by_ms = 0;
};
class TestClock final : public TestMachine, public ServiceClock {
 public:
  TestClock() : ServiceClock(static_cast<const TestMachine&>(*this)) { Continue(std::nullopt); }
};

// A store whose disk does what the test says: a sync returns when FinishSync is called, and if it
// writes behind, a write when FinishWrite is.
class HeldStore final : public store::Store {
 public:
  explicit HeldStore(const Clock& clock) : rows_(clock) {}

  std::string_view Kind() const override { return "held"; }
  store::Reach reach() const override { return store::Reach::kDisk; }
  absl::StatusOr<store::Sequence> Append(const store::WriteBatch& batch) override {
    if (fail_append) return absl::DataLossError("append: EIO");
    const absl::StatusOr<store::Sequence> sequence = rows_.Append(batch);
    appended = *sequence;
    return sequence;
  }
  void RequestSync() override {
    ++syncs_requested;
    if (sync_at_once) FinishSync();
  }
  void SetOnSynced(std::function<void(absl::StatusOr<store::Sequence>)> on_synced) override {
    on_synced_ = std::move(on_synced);
  }
  absl::StatusOr<std::string> Get(std::string_view key) override {
    ++lookups;
    if (fail_reads) return absl::DataLossError("get: EIO");
    return rows_.Get(key);
  }
  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override {
    ++lookups;
    if (fail_reads) return absl::DataLossError("scan: EIO");
    return rows_.Scan(begin, end, rows_max, [&](std::string_view key, std::string_view value) {
      scanned_keys.emplace_back(key);
      return visit(key, value);
    });
  }
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override {
    ++lookups;
    if (fail_reads) return absl::DataLossError("scan: EIO");
    return rows_.ScanBack(begin, end, rows_max, visit);
  }
  int64_t FreeBytes() override { return free_bytes; }
  void ReadLater(Urgency, absl::AnyInvocable<void()> read) override {
    reads_.push_back(std::move(read));
    if (!hold_reads) FinishReads();
  }

  void FinishRead() {
    absl::AnyInvocable<void()> read = std::move(reads_.front());
    reads_.pop_front();
    read();
  }
  void FinishReads() {
    while (!reads_.empty()) FinishRead();
  }
  size_t reads_held() const { return reads_.size(); }

  bool SetOnWritten(std::function<void(absl::StatusOr<store::Sequence>)> on_written) override {
    on_written_ = std::move(on_written);
    return writes_behind;
  }
  int64_t UnwrittenBytes() const override {
    return ask_unwritten ? ask_unwritten() : unwritten_bytes;
  }
  void FinishWrite() { on_written_(appended); }
  void FailWrite() { on_written_(absl::DataLossError("append: EIO")); }

  void FinishSync() { on_synced_(appended); }
  void FinishSync(store::Sequence upto) { on_synced_(upto); }
  void FailSync() { on_synced_(absl::DataLossError("fdatasync: EIO")); }

  bool writes_behind = false;
  int64_t unwritten_bytes = 0;
  std::function<int64_t()> ask_unwritten;  // if given, in place of it
  bool fail_append = false;
  bool fail_reads = false;
  bool hold_reads = false;  // until FinishRead is called
  bool sync_at_once = false;
  int syncs_requested = 0;
  int lookups = 0;  // Get and both scans
  std::vector<std::string> scanned_keys;
  store::Sequence appended = 0;
  int64_t free_bytes = INT64_MAX;

 private:
  store::MemoryStore rows_;
  std::deque<absl::AnyInvocable<void()>> reads_;
  std::function<void(absl::StatusOr<store::Sequence>)> on_synced_;
  std::function<void(absl::StatusOr<store::Sequence>)> on_written_;
};

}  // namespace treadle::broker
