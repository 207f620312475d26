#include "server/store/memory_store.h"

#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/store/expiry.h"

namespace treadle::store {
namespace {

constexpr int64_t kMsPerSecond = 1'000;
// Appends drop a little faster than they can add, so that no append pays for many that expired.
constexpr size_t kDropsPerAppend = 64;
constexpr size_t kDropsPerChange = 2;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

MemoryStore::MemoryStore(const Clock& clock) : clock_(clock) {}

absl::StatusOr<Sequence> MemoryStore::Append(const WriteBatch& batch) {
  for (const WriteBatch::Change& change : batch.changes) {
    if (!change.value.has_value()) {
      rows_.erase(change.key);
      continue;
    }
    TREADLE_ASSERT(HasExpiryPrefix(*change.value));
    rows_.insert_or_assign(change.key, *change.value);
    if (const std::optional<int64_t> expires_at_ms = ExpiresAtMs(*change.value)) {
      expiring_[*expires_at_ms / kMsPerSecond].push_back(change.key);
    }
  }
  DropExpired(kDropsPerAppend + kDropsPerChange * batch.changes.size());
  return ++appended_;
}

void MemoryStore::DropExpired(size_t rows_max) {
  const int64_t now_ms = clock_.NowMs();
  for (; rows_max > 0 && !expiring_.empty(); --rows_max) {
    const auto first = expiring_.begin();
    // A second that has wholly passed: all of its keys are due.
    if (first->first >= now_ms / kMsPerSecond) return;
    const auto row = rows_.find(first->second.back());
    if (row != rows_.end() && Expired(row->second, now_ms)) rows_.erase(row);
    first->second.pop_back();
    if (first->second.empty()) expiring_.erase(first);
  }
}

void MemoryStore::RequestSync() {
  TREADLE_ASSERT(on_synced_ != nullptr);
  on_synced_(appended_);
}

void MemoryStore::SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) {
  on_synced_ = std::move(on_synced);
}

absl::StatusOr<std::string> MemoryStore::Get(std::string_view key) {
  const auto row = rows_.find(key);
  if (row == rows_.end() || Expired(row->second, clock_.NowMs())) {
    return absl::NotFoundError(absl::StrCat("no row '", absl::CHexEscape(Absl(key)), "'"));
  }
  return row->second;
}

absl::Status MemoryStore::Scan(
    std::string_view begin, std::string_view end,
    absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) {
  const int64_t now_ms = clock_.NowMs();
  for (auto row = rows_.lower_bound(begin); row != rows_.end() && row->first < end; ++row) {
    if (!Expired(row->second, now_ms) && !visit(row->first, row->second)) break;
  }
  return absl::OkStatus();
}

int64_t MemoryStore::FreeBytes() { return std::numeric_limits<int64_t>::max(); }

}  // namespace treadle::store
