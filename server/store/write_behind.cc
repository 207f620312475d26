#include "server/store/write_behind.h"

#include <utility>

#include "proto/support/assert.h"
#include "proto/support/thread_name.h"

namespace treadle::store {
namespace {

// As many as are written and appended at once; where more wait, the disk is what takes the time.
constexpr size_t kSpareMax = 4;
// A batch that is no larger is probably of one task, and the next one not on its way yet.
constexpr int64_t kLoneBytes = 2'048;
// What a change has beside its key and value, about.
constexpr int64_t kChangeBytes = 16;

}  // namespace

WriteBehind::WriteBehind(std::unique_ptr<Store> store)
    : store_(std::move(store)), thread_([this] { Run(); }) {}

WriteBehind::~WriteBehind() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

int64_t WriteBehind::BytesOf(const WriteBatch& batch) {
  return static_cast<int64_t>(sizeof(Pending) + batch.bytes()) +
         kChangeBytes * static_cast<int64_t>(batch.size());
}

absl::StatusOr<Sequence> WriteBehind::Append(const WriteBatch& batch) {
  WriteBatch copy = batch;
  return Take(copy);
}

absl::StatusOr<Sequence> WriteBehind::Take(WriteBatch& batch) {
  Pending next;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) return failure_;
    if (!spare_.empty()) {
      next.batch = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  std::swap(next.batch, batch);
  unwritten_bytes_ += BytesOf(next.batch);
  Sequence sequence = 0;
  {
    const std::lock_guard lock(mutex_);
    pending_.push_back(std::move(next));
    sequence = ++appended_;
  }
  changed_.notify_one();
  return sequence;
}

bool WriteBehind::SetOnWritten(std::function<void(absl::StatusOr<Sequence>)> on_written) {
  const std::lock_guard lock(mutex_);
  TREADLE_ASSERT(appended_ == 0);
  on_written_ = std::move(on_written);
  return true;
}

void WriteBehind::SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) {
  store_->SetOnSynced(std::move(on_synced));
}

void WriteBehind::RequestSync() {
  const std::lock_guard lock(mutex_);
  if (pending_.empty()) {
    store_->RequestSync();
  } else {
    pending_.back().sync = true;
  }
}

void WriteBehind::ReadLater(Urgency urgency, absl::AnyInvocable<void()> read) {
  const std::lock_guard lock(mutex_);
  if (pending_.empty()) {
    store_->ReadLater(urgency, std::move(read));
  } else {
    pending_.back().reads.push_back({urgency, std::move(read)});
  }
}

void WriteBehind::Run() {
  NameThread("store-writes");
  for (;;) {
    const WriteBatch* batch = nullptr;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
      if (stopping_) return;
      batch = &pending_.front().batch;
    }
    absl::StatusOr<Sequence> written = store_->Append(*batch);
    if (written.ok()) {
      Written(*written);
    } else {
      const std::lock_guard lock(mutex_);
      failure_ = written.status();
    }
    const bool go_on = written.ok();
    if (on_written_ != nullptr) on_written_(std::move(written));
    if (!go_on) return;
    if (std::exchange(syncs_here_, false)) store_->RequestSyncHere();
  }
}

void WriteBehind::Written(Sequence sequence) {
  const std::lock_guard lock(mutex_);
  Pending done = std::move(pending_.front());
  pending_.pop_front();
  TREADLE_ASSERT(sequence + pending_.size() == appended_);
  const int64_t bytes = BytesOf(done.batch);
  unwritten_bytes_ -= bytes;
  if (done.sync) {
    syncs_here_ = pending_.empty() && bytes <= kLoneBytes;
    if (!syncs_here_) store_->RequestSync();
  }
  for (Read& read : done.reads) store_->ReadLater(read.urgency, std::move(read.read));
  if (spare_.size() == kSpareMax) return;
  done.batch.Clear();
  spare_.push_back(std::move(done.batch));
}

absl::StatusOr<std::string> WriteBehind::Get(std::string_view key) { return store_->Get(key); }

absl::Status WriteBehind::GetMany(absl::Span<const std::string> keys, VisitFound visit) {
  return store_->GetMany(keys, visit);
}

absl::StatusOr<std::optional<std::string>> WriteBehind::Scan(std::string_view begin,
                                                             std::string_view end, size_t rows_max,
                                                             VisitRow visit) {
  return store_->Scan(begin, end, rows_max, visit);
}

absl::StatusOr<std::optional<std::string>> WriteBehind::ScanBack(std::string_view begin,
                                                                 std::string_view end,
                                                                 size_t rows_max, VisitRow visit) {
  return store_->ScanBack(begin, end, rows_max, visit);
}

}  // namespace treadle::store
