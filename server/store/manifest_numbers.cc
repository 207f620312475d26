#include "server/store/manifest_numbers.h"

#include <algorithm>
#include <optional>

namespace treadle::store {
namespace {

// RocksDB's enum Tag.
enum class Tag : uint64_t {
  kComparator = 1,
  kLogNumber = 2,
  kNextFileNumber = 3,
  kLastSequence = 4,
  kPrevLogNumber = 9,
  kMinLogNumberToKeep = 10,
  kMaxColumnFamily = 203,
  kDatabaseId = 8'193,
};

// Seven bits a byte, the lowest first. Absent: `bytes` ends inside.
std::optional<uint64_t> TakeVarint(std::string_view& bytes) {
  uint64_t number = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

}  // namespace

void ManifestNumbers::Take(std::string_view head) {
  for (;;) {
    const std::optional<uint64_t> tag = TakeVarint(head);
    const std::optional<uint64_t> number = tag.has_value() ? TakeVarint(head) : std::nullopt;
    if (!number.has_value()) return;
    switch (static_cast<Tag>(*tag)) {
      case Tag::kComparator:
      case Tag::kDatabaseId:
        if (head.size() < *number) return;
        head.remove_prefix(*number);  // a text, and its length before it
        break;
      case Tag::kLogNumber:
      case Tag::kMinLogNumberToKeep:
        first_log = std::max(first_log, *number);
        break;
      case Tag::kLastSequence:
        last_sequence = std::max(last_sequence, *number);
        break;
      case Tag::kNextFileNumber:
      case Tag::kPrevLogNumber:
      case Tag::kMaxColumnFamily:
        break;
      default:
        return;  // the lists begin
    }
  }
}

}  // namespace treadle::store
