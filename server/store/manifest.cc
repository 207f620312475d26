#include "server/store/manifest.h"

#include <algorithm>

namespace treadle::store {
namespace {

// RocksDB's enum Tag.
enum class Tag : uint64_t {
  kComparator = 1,
  kLogNumber = 2,
  kNextFileNumber = 3,
  kLastSequence = 4,
  kCompactCursor = 5,
  kDeletedFile = 6,
  kPrevLogNumber = 9,
  kMinLogNumberToKeep = 10,
  kNewFile4 = 103,
  kMaxColumnFamily = 203,
  // Those with this bit are texts that may be passed over.
  kSafeToIgnore = 1 << 13,
};
constexpr uint64_t kFieldsEnd = 1;  // of a new file's fields

// Reads a record's parts from the front; `ok` is false once one was cut short.
struct Reader {
  std::string_view bytes;
  bool ok = true;

  // Seven bits a byte, the lowest first.
  uint64_t Number() {
    uint64_t number = 0;
    for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      number |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return number;
    }
    ok = false;
    return 0;
  }

  void SkipText() {
    const uint64_t size = Number();
    ok = ok && size <= bytes.size();
    if (ok) bytes.remove_prefix(size);
  }
};

bool TakeNewFile(Reader& from, std::map<uint64_t, uint64_t>& tables) {
  from.Number();  // its level
  const uint64_t number = from.Number();
  const uint64_t file_bytes = from.Number();
  from.SkipText();  // its first key
  from.SkipText();  // its last
  from.Number();    // its first sequence number
  from.Number();    // its last
  while (from.ok && from.Number() != kFieldsEnd) from.SkipText();
  if (from.ok) tables[number] = file_bytes;
  return from.ok;
}

}  // namespace

void Manifest::Take(std::string_view record) { understood = TakeAll(record) && understood; }

bool Manifest::TakeAll(std::string_view record) {
  Reader from{record};
  while (!from.bytes.empty()) {
    const uint64_t tag = from.Number();
    switch (static_cast<Tag>(tag)) {
      case Tag::kComparator:
        from.SkipText();
        break;
      case Tag::kLogNumber:
      case Tag::kMinLogNumberToKeep:
        first_log = std::max(first_log, from.Number());
        break;
      case Tag::kLastSequence:
        last_sequence = std::max(last_sequence, from.Number());
        break;
      case Tag::kNextFileNumber:
      case Tag::kPrevLogNumber:
      case Tag::kMaxColumnFamily:
        from.Number();
        break;
      case Tag::kCompactCursor:
        from.Number();
        from.SkipText();
        break;
      case Tag::kDeletedFile:
        from.Number();  // its level; a file that moves to another one is added after
        tables.erase(from.Number());
        break;
      case Tag::kNewFile4:
        if (!TakeNewFile(from, tables)) return false;
        break;
      default:
        if ((tag & static_cast<uint64_t>(Tag::kSafeToIgnore)) == 0) return false;
        from.SkipText();
    }
    if (!from.ok) return false;
  }
  return true;
}

}  // namespace treadle::store
