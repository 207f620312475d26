#include "server/store/write_batch.h"

#include <algorithm>

#include "proto/support/assert.h"

namespace treadle::store {
namespace {

// A turn of large payloads must not hold its memory for ever.
constexpr size_t kKeptBytes = 16 << 20;

}  // namespace

void WriteBatch::Put(std::string_view key, std::string_view value) {
  std::copy(value.begin(), value.end(), Put(key, value.size()));
}

char* WriteBatch::Put(std::string_view key, size_t value_bytes) {
  TREADLE_ASSERT(value_bytes < kDeletedOnce);
  return Add(key, static_cast<uint32_t>(value_bytes));
}

void WriteBatch::Delete(std::string_view key) { Add(key, kDeleted); }

void WriteBatch::DeleteOnce(std::string_view key) { Add(key, kDeletedOnce); }

char* WriteBatch::Add(std::string_view key, uint32_t value_bytes) {
  TREADLE_ASSERT(key.size() < kDeletedOnce);
  const size_t begin = bytes_.size();
  spans_.push_back(Span{begin, static_cast<uint32_t>(key.size()), value_bytes});
  bytes_.resize(begin + key.size() + (value_bytes < kDeletedOnce ? value_bytes : 0));
  return std::copy(key.begin(), key.end(), bytes_.data() + begin);
}

void WriteBatch::Clear() {
  bytes_.clear();
  spans_.clear();
  if (bytes_.capacity() <= kKeptBytes) return;
  bytes_.shrink_to_fit();
}

WriteBatch::Change WriteBatch::operator[](size_t index) const {
  const Span& span = spans_[index];
  const std::string_view key(bytes_.data() + span.begin, span.key_bytes);
  if (span.value_bytes >= kDeletedOnce) {
    return {key, std::nullopt, span.value_bytes == kDeletedOnce};
  }
  return {key, std::string_view(key.data() + key.size(), span.value_bytes)};
}

}  // namespace treadle::store
