#include "tests/sim/disk.h"

#include <algorithm>
#include <utility>

#include "proto/support/assert.h"
#include "server/store/expiry.h"

namespace treadle::sim {
namespace {

void Apply(const store::WriteBatch& batch, Disk::Rows& rows) {
  for (size_t i = 0; i < batch.size(); ++i) {
    const store::WriteBatch::Change change = batch[i];
    if (change.value.has_value()) {
      rows[std::string(change.key)] = *change.value;
    } else {
      rows.erase(std::string(change.key));
    }
  }
}

}  // namespace

class Disk::OpenStore final : public store::Store {
 public:
  OpenStore(Disk& disk, const Clock& clock)
      : disk_(disk), clock_(clock), self_(std::make_shared<OpenStore*>(this)) {}
  ~OpenStore() override { *self_ = nullptr; }

  std::string_view Kind() const override { return "simulated"; }
  store::Reach reach() const override { return store::Reach::kDisk; }

  absl::StatusOr<store::Sequence> Append(const store::WriteBatch& batch) override {
    if (std::exchange(disk_.fail_next_append, false)) return absl::DataLossError("EIO on append");
    disk_.observer_.Appended(batch);
    disk_.CheckPutOnce(batch);
    Apply(batch, disk_.rows_);
    disk_.tail_.push_back(Unsynced{batch, /*fingerprint=*/0, !disk_.writes_behind});
    ++disk_.appends_;
    ++appended_;
    if (disk_.writes_behind && !writing_) StartWrite();
    return appended_;
  }

  bool SetOnWritten(std::function<void(absl::StatusOr<store::Sequence>)> on_written) override {
    on_written_ = std::move(on_written);
    return disk_.writes_behind;
  }
  int64_t UnwrittenBytes() const override {
    int64_t bytes = 0;
    for (const Unsynced& one : disk_.tail_) {
      if (!one.written) bytes += static_cast<int64_t>(one.batch.bytes());
    }
    return bytes;
  }

  void RequestSync() override {
    if (disk_.lie_about_syncs) return on_synced_(appended_);
    if (syncing_) {
      again_ = true;
      return;
    }
    StartSync();
  }

  void SetOnSynced(std::function<void(absl::StatusOr<store::Sequence>)> on_synced) override {
    on_synced_ = std::move(on_synced);
  }

  absl::StatusOr<std::string> Get(std::string_view key) override {
    const auto found = disk_.rows_.find(key);
    if (found == disk_.rows_.end() || store::Expired(found->second, clock_.NowMs())) {
      return absl::NotFoundError("no such row");
    }
    return found->second;
  }

  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override {
    bool more = true;
    for (auto at = disk_.rows_.lower_bound(begin); at != disk_.rows_.end() && at->first < end;
         ++at, --rows_max) {
      if (!more || rows_max == 0) return at->first;
      if (store::Expired(at->second, clock_.NowMs())) continue;
      more = visit(at->first, at->second);
    }
    return std::nullopt;
  }

  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override {
    std::string next_end(end);
    bool more = true;
    for (auto at = disk_.rows_.lower_bound(end); at != disk_.rows_.begin(); --rows_max) {
      --at;
      if (at->first < begin) break;
      if (!more || rows_max == 0) return next_end;
      next_end = at->first;
      if (store::Expired(at->second, clock_.NowMs())) continue;
      more = visit(at->first, at->second);
    }
    return std::nullopt;
  }

  int64_t FreeBytes() override { return disk_.full ? 0 : INT64_MAX; }

  void ReadLater(Urgency urgency, absl::AnyInvocable<void()> read) override {
    (urgency == Urgency::kWork ? work_ : questions_).push_back(std::move(read));
    if (!reading_) StartRead();
  }

 private:
  void StartRead() {
    reading_ = true;
    disk_.timeline_.In(TakesMs(), [self = self_] {
      if (*self != nullptr) (*self)->FinishRead();
    });
  }

  void FinishRead() {
    auto& reads = work_.empty() ? questions_ : work_;
    absl::AnyInvocable<void()> read = std::move(reads.front());
    reads.pop_front();
    read();
    reading_ = false;
    if (!work_.empty() || !questions_.empty()) StartRead();
  }

  // Now and then longer than a lease lasts.
  int64_t TakesMs() const {
    Random& random = disk_.random_;
    if (disk_.stalls && random.OneIn(50)) {
      ++disk_.stalled_;
      return random.Between(1'000, 10'000);
    }
    return disk_.slow || random.OneIn(20) ? random.Between(20, 500) : random.Between(0, 5);
  }

  void StartWrite() {
    writing_ = true;
    disk_.timeline_.In(TakesMs(), [self = self_, upto = appended_] {
      if (*self != nullptr) (*self)->FinishWrite(upto);
    });
  }

  void FinishWrite(store::Sequence upto) {
    writing_ = false;
    if (std::exchange(disk_.fail_next_write, false)) {
      return on_written_(absl::DataLossError("EIO on write"));
    }
    SetWritten(upto);
    if (written_ < appended_) StartWrite();
  }

  void SetWritten(store::Sequence upto) {
    if (upto <= written_) return;
    written_ = upto;
    for (size_t i = 0; i < disk_.tail_.size() && synced_ + i < upto; ++i) {
      disk_.tail_[i].written = true;
    }
    on_written_(written_);
  }

  void StartSync() {
    syncing_ = true;
    disk_.timeline_.In(TakesMs(), [self = self_, upto = appended_] {
      if (*self != nullptr) (*self)->FinishSync(upto);
    });
  }

  void FinishSync(store::Sequence upto) {
    if (std::exchange(disk_.fail_next_sync, false)) {
      return on_synced_(absl::DataLossError("EIO on fdatasync"));
    }
    if (disk_.writes_behind) SetWritten(upto);
    disk_.MakeDurable(static_cast<size_t>(upto - synced_));
    synced_ = upto;
    syncing_ = false;
    on_synced_(synced_);
    if (std::exchange(again_, false)) StartSync();
  }

  Disk& disk_;
  const Clock& clock_;
  const std::shared_ptr<OpenStore*> self_;
  std::function<void(absl::StatusOr<store::Sequence>)> on_synced_;
  std::function<void(absl::StatusOr<store::Sequence>)> on_written_;
  store::Sequence appended_ = 0;
  store::Sequence written_ = 0;  // if it writes behind
  store::Sequence synced_ = 0;
  bool writing_ = false;
  bool syncing_ = false;
  bool again_ = false;
  std::deque<absl::AnyInvocable<void()>> work_;
  std::deque<absl::AnyInvocable<void()>> questions_;
  bool reading_ = false;
};

Disk::Disk(Timeline& timeline, Random& random, Observer& observer)
    : timeline_(timeline), random_(random), observer_(observer) {}

std::unique_ptr<store::Store> Disk::Open(const Clock& clock) {
  fail_next_append = fail_next_write = fail_next_sync = false;
  return std::make_unique<OpenStore>(*this, clock);
}

void Disk::Crash(bool power) {
  const auto written = static_cast<size_t>(
      std::count_if(tail_.begin(), tail_.end(), [](const Unsynced& one) { return one.written; }));
  MakeDurable(power ? random_.Below(written + 1) : written);
  tail_.clear();
  rows_ = durable_;
  full = false;
}

void Disk::CheckPutOnce(const store::WriteBatch& batch) {
  std::map<std::string_view, bool> there;  // after the batch's changes until here
  for (size_t i = 0; i < batch.size(); ++i) {
    const store::WriteBatch::Change change = batch[i];
    const bool put = change.value.has_value();
    const auto known = there.emplace(change.key, rows_.contains(change.key)).first;
    if (put && known->second) {
      put_again_.insert(std::string(change.key));
    } else if (!put) {
      TREADLE_ASSERT(put_again_.erase(std::string(change.key)) == 0 || !change.put_once);
    }
    known->second = put;
  }
}

void Disk::Restore(const Copy& copy) {
  tail_.clear();
  rows_ = durable_ = copy.rows;
  put_again_ = copy.put_again;
  durable_fingerprint_ = copy.fingerprint;
}

void Disk::NoteFingerprint(uint64_t fingerprint) {
  (tail_.empty() ? durable_fingerprint_ : tail_.back().fingerprint) = fingerprint;
}

void Disk::MakeDurable(size_t batches) {
  for (; batches > 0; --batches) {
    Apply(tail_.front().batch, durable_);
    observer_.Durable(tail_.front().batch);
    durable_fingerprint_ = tail_.front().fingerprint;
    tail_.pop_front();
  }
}

}  // namespace treadle::sim
