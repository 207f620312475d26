#include "server/store/log_check.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "server/store/crc32c.h"

namespace treadle::store {
namespace {

constexpr size_t kBlockBytes = 32'768;
constexpr size_t kHeaderBytes = 7;  // checksum 4, length 2, kind 1
constexpr size_t kKindAt = 6;

enum class Kind : uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// RocksDB stores checksums so, lest a checksum of bytes that hold checksums be weak.
uint32_t Masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8; }

struct Header {
  uint32_t checksum = 0;
  size_t length = 0;
  Kind kind{};
};

Header HeaderAt(std::string_view bytes) {
  Header header;
  uint16_t length = 0;
  std::memcpy(&header.checksum, bytes.data(), sizeof(header.checksum));
  std::memcpy(&length, bytes.data() + sizeof(header.checksum), sizeof(length));
  header.length = length;
  header.kind = static_cast<Kind>(bytes[kKindAt]);
  return header;
}

bool IsRecord(Kind kind) { return kind >= Kind::kFull && kind <= Kind::kLast; }

// Whether a fragment of `length` bytes stands at the front of `bytes`, whatever its header says of
// its length. REQUIRES: bytes.size() >= kHeaderBytes + length.
bool ChecksumHolds(std::string_view bytes, size_t length) {
  return HeaderAt(bytes).checksum == Masked(Crc32c(bytes.substr(kKindAt, 1 + length)));
}

bool HoldsFragment(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return false;
  const Header header = HeaderAt(bytes);
  return IsRecord(header.kind) && bytes.size() >= kHeaderBytes + header.length &&
         ChecksumHolds(bytes, header.length);
}

// The last bytes of a log, too few for the fragment that they begin: is its length wrong, rather
// than its end missing?
bool LengthIsWrong(std::string_view tail) {
  if (tail.size() < kHeaderBytes) return false;
  if (ChecksumHolds(tail, tail.size() - kHeaderBytes)) return true;
  for (size_t at = 1; at < tail.size(); ++at) {
    if (HoldsFragment(tail.substr(at))) return true;
  }
  return false;
}

bool AllZeros(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

LogEnd Damaged(size_t at, std::string_view damage) { return {LogEnd::State::kDamaged, at, damage}; }

}  // namespace

LogEnd CheckLog(std::string_view bytes, size_t head_bytes_max,
                absl::FunctionRef<bool(std::string_view head)> visit) {
  LogEnd end;
  bool in_record = false;
  size_t record_at = 0;
  std::string head;
  for (size_t at = 0; at < bytes.size();) {
    const size_t full_block_end = at - at % kBlockBytes + kBlockBytes;
    const std::string_view block = bytes.substr(at, full_block_end - at);
    if (block.size() < kHeaderBytes) {
      // A block's filler; in a block that is cut, what is left of a header.
      if (bytes.size() < full_block_end) in_record = true;
      at += block.size();
      continue;
    }
    const Header header = HeaderAt(block);
    if (header.kind == Kind::kZero && header.length == 0) {
      if (!AllZeros(bytes.substr(at))) return Damaged(at, "there is a hole of zeros");
      in_record = true;
      break;
    }
    if (block.size() < kHeaderBytes + header.length) {
      if (bytes.size() >= full_block_end || LengthIsWrong(block)) {
        return Damaged(at, "a record's length is wrong");
      }
      in_record = true;
      break;
    }
    if (!ChecksumHolds(block, header.length)) return Damaged(at, "a record's checksum is wrong");
    const bool begins = header.kind == Kind::kFull || header.kind == Kind::kFirst;
    if (!IsRecord(header.kind) || begins == in_record) {
      return Damaged(at, "a record lacks its other part");
    }
    if (begins) {
      head.clear();
      record_at = at;
    }
    head.append(block.substr(kHeaderBytes, std::min(header.length, head_bytes_max - head.size())));
    at += kHeaderBytes + header.length;
    in_record = header.kind == Kind::kFirst || header.kind == Kind::kMiddle;
    if (in_record) continue;
    if (!visit(head)) return Damaged(record_at, "a record does not follow the one before it");
    end.offset = at;
  }
  if (in_record) end.state = LogEnd::State::kTorn;
  return end;
}

}  // namespace treadle::store
