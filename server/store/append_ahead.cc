#include "server/store/append_ahead.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"

namespace treadle::store {

AppendAhead::AppendAhead(std::unique_ptr<Store> store)
    : store_(std::move(store)), thread_([this] { Run(); }) {}

AppendAhead::~AppendAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

absl::StatusOr<Sequence> AppendAhead::Append(const WriteBatch& batch) {
  Sequence sequence = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) return failure_;
    pending_.push_back(std::make_unique<Pending>(Pending{batch, {}}));
    pending_bytes_ += static_cast<int64_t>(batch.bytes());
    sequence = ++appended_;
  }
  changed_.notify_one();
  return sequence;
}

void AppendAhead::RequestSync() {
  {
    const std::lock_guard lock(mutex_);
    sync_wanted_ = true;
  }
  changed_.notify_one();
}

void AppendAhead::SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) {
  store_->SetOnSynced(std::move(on_synced));
}

bool AppendAhead::SetOnWritten(std::function<void(absl::StatusOr<Sequence>)> on_written) {
  const std::lock_guard lock(mutex_);
  TREADLE_ASSERT(appended_ == 0);
  on_written_ = std::move(on_written);
  return true;
}

int64_t AppendAhead::PendingBytes() const {
  const std::lock_guard lock(mutex_);
  return pending_bytes_;
}

void AppendAhead::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || sync_wanted_ || !pending_.empty(); });
    if (stopping_) return;
    if (pending_.empty()) {
      sync_wanted_ = false;
      lock.unlock();
      store_->RequestSync();
      lock.lock();
      continue;
    }
    const WriteBatch& batch = pending_.front()->batch;
    lock.unlock();
    absl::StatusOr<Sequence> written = store_->Append(batch);
    lock.lock();
    if (!written.ok()) {
      failure_ = written.status();
    } else {
      pending_bytes_ -= static_cast<int64_t>(batch.bytes());
      pending_.pop_front();
      TREADLE_ASSERT(*written + pending_.size() == appended_);
    }
    const bool failed = !written.ok();
    lock.unlock();
    on_written_(std::move(written));
    if (failed) return;
    lock.lock();
  }
}

AppendAhead::Found AppendAhead::Find(std::string_view key) {
  const std::lock_guard lock(mutex_);
  for (auto at = pending_.rbegin(); at != pending_.rend(); ++at) {
    Pending& pending = **at;
    if (pending.index.empty()) {
      for (size_t i = 0; i < pending.batch.size(); ++i) pending.index[pending.batch[i].key] = i;
    }
    const auto found = pending.index.find(key);
    if (found == pending.index.end()) continue;
    const WriteBatch::Change change = pending.batch[found->second];
    if (!change.value.has_value()) return std::optional<std::string>();
    return std::optional<std::string>(*change.value);
  }
  return std::nullopt;
}

// First among what is on its way: what is not there any more is in the other store.
absl::StatusOr<std::string> AppendAhead::Get(std::string_view key) {
  Found pending = Find(key);
  if (!pending.has_value()) return store_->Get(key);
  if (pending->has_value()) return **std::move(pending);
  return absl::NotFoundError(
      absl::StrCat("no row '", absl::CHexEscape(absl::string_view(key.data(), key.size())), "'"));
}

absl::Status AppendAhead::GetMany(absl::Span<const std::string> keys, VisitFound visit) {
  std::vector<Found> pending;
  pending.reserve(keys.size());
  for (const std::string& key : keys) pending.push_back(Find(key));
  return store_->GetMany(keys, [&](size_t index, std::optional<std::string_view> value) {
    if (!pending[index].has_value()) return visit(index, value);
    const std::optional<std::string>& newer = *pending[index];
    return visit(index, newer.has_value() ? std::optional<std::string_view>(*newer) : std::nullopt);
  });
}

absl::StatusOr<std::optional<std::string>> AppendAhead::Scan(std::string_view begin,
                                                             std::string_view end, size_t rows_max,
                                                             VisitRow visit) {
  return store_->Scan(begin, end, rows_max, visit);
}

void AppendAhead::ReadLater(Urgency urgency, absl::AnyInvocable<void()> read) {
  store_->ReadLater(urgency, std::move(read));
}

}  // namespace treadle::store
