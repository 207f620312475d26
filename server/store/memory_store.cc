#include "server/store/memory_store.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "proto/support/text.h"
#include "server/store/expiry.h"

namespace treadle::store {
namespace {

constexpr int64_t kMsPerSecond = 1'000;
// Appends drop a little faster than they can add, so that no append pays for many that expired.
constexpr size_t kDropsPerAppend = 64;
constexpr size_t kDropsPerChange = 2;
constexpr size_t kDropsPerLook = 20'000;
// A row's place in the map and its value's own memory, beside the bytes of both.
constexpr int64_t kRowBytes = 96;
// What a value may leave unused of its predecessor's memory, beside its own size.
constexpr size_t kRoomBytes = 256;

}  // namespace

void MemoryStore::KeyStack::Push(std::string_view key) {
  const size_t length = key.size();
  bytes_.append(key).append(reinterpret_cast<const char*>(&length), sizeof(length));
}

std::string_view MemoryStore::KeyStack::top() const {
  size_t length = 0;
  const size_t end = bytes_.size() - sizeof(length);
  std::memcpy(&length, bytes_.data() + end, sizeof(length));
  return std::string_view(bytes_).substr(end - length, length);
}

void MemoryStore::KeyStack::Pop() { bytes_.resize(bytes_.size() - sizeof(size_t) - top().size()); }

MemoryStore::MemoryStore(const Clock& clock, int64_t bytes_max)
    : clock_(clock), bytes_max_(bytes_max) {}

absl::StatusOr<Sequence> MemoryStore::Append(const WriteBatch& batch) {
  for (size_t i = 0; i < batch.size(); ++i) {
    const WriteBatch::Change change = batch[i];
    if (change.value.has_value()) {
      Put(change.key, *change.value);
    } else {
      Erase(change.key);
    }
  }
  DropExpired(kDropsPerAppend + kDropsPerChange * batch.size());
  return ++appended_;
}

void MemoryStore::Put(std::string_view key, std::string_view value) {
  TREADLE_ASSERT(HasExpiryPrefix(value));
  auto row = rows_.lower_bound(key);
  if (row == rows_.end() || KeyLess::View(row->first) != key) {
    row = rows_.emplace_hint(row, std::piecewise_construct,
                             std::forward_as_tuple(key.begin(), key.end()), std::tuple<>());
    bytes_ += kRowBytes + static_cast<int64_t>(key.size());
  }
  bytes_ += static_cast<int64_t>(value.size()) - static_cast<int64_t>(row->second.size());
  // An outcome takes its task's place: the payload's memory must not stay with it.
  if (row->second.capacity() > 2 * value.size() + kRoomBytes) row->second = std::string();
  row->second.assign(value);
  if (const std::optional<int64_t> expires_at_ms = ExpiresAtMs(value)) {
    expiring_[*expires_at_ms / kMsPerSecond].Push(key);
    bytes_ += KeyStack::BytesOf(key);
  }
}

void MemoryStore::Erase(std::string_view key) {
  const auto row = rows_.find(key);
  if (row == rows_.end()) return;
  bytes_ -= kRowBytes + static_cast<int64_t>(key.size() + row->second.size());
  rows_.erase(row);
}

void MemoryStore::DropExpired(size_t rows_max) {
  const int64_t now_ms = clock_.NowMs();
  for (; rows_max > 0 && !expiring_.empty(); --rows_max) {
    const auto first = expiring_.begin();
    // A second that has wholly passed: all of its keys are due.
    if (first->first >= now_ms / kMsPerSecond) return;
    const std::string_view key = first->second.top();
    const auto row = rows_.find(key);
    bytes_ -= KeyStack::BytesOf(key);
    if (row != rows_.end() && Expired(row->second, now_ms)) Erase(key);
    first->second.Pop();
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

absl::StatusOr<std::optional<std::string>> MemoryStore::Scan(std::string_view begin,
                                                             std::string_view end, size_t rows_max,
                                                             VisitRow visit) {
  const int64_t now_ms = clock_.NowMs();
  auto row = rows_.lower_bound(begin);
  for (bool more = true; row != rows_.end() && KeyLess::View(row->first) < end; ++row, --rows_max) {
    if (!more || rows_max == 0) return std::string(KeyLess::View(row->first));
    if (!Expired(row->second, now_ms)) more = visit(KeyLess::View(row->first), row->second);
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<std::string>> MemoryStore::ScanBack(std::string_view begin,
                                                                 std::string_view end,
                                                                 size_t rows_max, VisitRow visit) {
  const int64_t now_ms = clock_.NowMs();
  std::string_view next_end = end;
  bool more = true;
  for (auto row = rows_.lower_bound(end); row != rows_.begin(); --rows_max) {
    --row;
    const std::string_view key = KeyLess::View(row->first);
    if (key < begin) break;
    if (!more || rows_max == 0) return std::string(next_end);
    next_end = key;
    if (!Expired(row->second, now_ms)) more = visit(key, row->second);
  }
  return std::nullopt;
}

// Who is told that there is no room appends nothing, and may wait for what has expired.
int64_t MemoryStore::FreeBytes() {
  DropExpired(kDropsPerLook);
  return std::max<int64_t>(0, bytes_max_ - bytes_);
}

}  // namespace treadle::store
