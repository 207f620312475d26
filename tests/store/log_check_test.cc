#include "server/store/log_check.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

#include "server/store/crc32c.h"

namespace treadle::store {
namespace {

constexpr size_t kBlockBytes = 32'768;
constexpr size_t kHeaderBytes = 7;
constexpr size_t kHeadBytes = 256;
enum Kind : char { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// Writes a log as RocksDB does; the string is the disk.
class LogText {
 public:
  void Add(std::string_view record) {
    for (bool first = true, last = false; !last; first = false) {
      size_t room = kBlockBytes - text_.size() % kBlockBytes;
      if (room < kHeaderBytes) {
        text_.append(room, '\0');
        room = kBlockBytes;
      }
      const size_t size = std::min(record.size(), room - kHeaderBytes);
      last = size == record.size();
      AddFragment(first ? (last ? kFull : kFirst) : (last ? kLast : kMiddle),
                  record.substr(0, size));
      record.remove_prefix(size);
    }
    ends_.push_back(text_.size());
  }

  const std::string& text() const { return text_; }
  // After each record.
  const std::vector<size_t>& ends() const { return ends_; }
  size_t EndBefore(size_t size) const {
    size_t end = 0;
    for (const size_t candidate : ends_) {
      if (candidate <= size) end = candidate;
    }
    return end;
  }

 private:
  void AddFragment(Kind kind, std::string_view bytes) {
    const std::string checked = std::string(1, kind).append(bytes);
    const uint32_t crc = Crc32c(checked);
    const uint32_t masked = (crc >> 15 | crc << 17) + 0xa282ead8;
    const auto length = static_cast<uint16_t>(bytes.size());
    text_.append(reinterpret_cast<const char*>(&masked), sizeof(masked));
    text_.append(reinterpret_cast<const char*>(&length), sizeof(length));
    text_.append(checked);
  }

  std::string text_;
  std::vector<size_t> ends_;
};

std::string Record(size_t bytes) {
  std::string record(bytes, '\0');
  uint32_t number = static_cast<uint32_t>(bytes);
  for (char& byte : record)
    byte = static_cast<char>((number = number * 1664525 + 1013904223) >> 24);
  return record;
}

LogText SomeLog() {
  LogText log;
  for (const size_t bytes : {100, 12, 5'000, 30'000, 0, 300, 70, 250}) log.Add(Record(bytes));
  return log;
}

LogEnd Check(std::string_view text) {
  return CheckLog(text, kHeadBytes, [](std::string_view) { return true; });
}

TEST(LogCheck, WholeLogIsReadToItsEnd) {
  const LogText log = SomeLog();
  std::vector<std::string> heads;
  const LogEnd end = CheckLog(log.text(), kHeadBytes, [&](std::string_view head) {
    heads.emplace_back(head);
    return true;
  });
  EXPECT_EQ(end.state, LogEnd::State::kWhole);
  EXPECT_EQ(end.offset, log.text().size());
  ASSERT_EQ(heads.size(), 8u);
  EXPECT_EQ(heads[0], Record(100).substr(0, kHeadBytes));
  EXPECT_EQ(heads[3], Record(30'000).substr(0, kHeadBytes)) << "in two blocks";
  EXPECT_EQ(heads[4], "");
}

TEST(LogCheck, EmptyLogIsWhole) { EXPECT_EQ(Check("").state, LogEnd::State::kWhole); }

// A header needs 7 bytes; with 7 left in a block a record's first fragment is empty.
TEST(LogCheck, RecordsMayBeginAtEveryByteOfABlocksEnd) {
  for (size_t left = 0; left < 20; ++left) {
    LogText log;
    log.Add(Record(kBlockBytes - kHeaderBytes - left));
    log.Add(Record(50));
    std::string head;
    const LogEnd end = CheckLog(log.text(), kHeadBytes, [&](std::string_view bytes) {
      head = bytes;
      return true;
    });
    EXPECT_EQ(end.state, LogEnd::State::kWhole) << left;
    EXPECT_EQ(head, Record(50).substr(0, kHeadBytes)) << left;
  }
}

TEST(LogCheck, CutLogEndsWithItsLastWholeRecord) {
  const LogText log = SomeLog();
  std::vector<size_t> cuts;
  for (const size_t end : log.ends()) {
    for (size_t cut = end < 40 ? 0 : end - 40; cut < end + 40; ++cut) cuts.push_back(cut);
  }
  for (size_t cut = 0; cut < log.text().size(); cut += 37) cuts.push_back(cut);
  for (const size_t size : cuts) {
    if (size >= log.text().size()) continue;
    const LogEnd end = Check(std::string_view(log.text()).substr(0, size));
    ASSERT_NE(end.state, LogEnd::State::kDamaged) << "cut at " << size << ": " << end.damage;
    ASSERT_EQ(end.offset, log.EndBefore(size)) << "cut at " << size;
  }
}

// Not one flipped bit passes for a torn tail, nor for a whole log; the filler at a block's end,
// which nobody reads, excepted.
TEST(LogCheck, EveryFlippedBitIsDamage) {
  const LogText log = SomeLog();
  std::string text = log.text();
  for (size_t at = 0; at < text.size(); ++at) {
    // All bits where structure stands, one bit elsewhere.
    const bool near_header = at - log.EndBefore(at) < 2 * kHeaderBytes;
    for (int bit = 0; bit < 8; ++bit) {
      if (!near_header && bit != static_cast<int>(at % 8)) continue;
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
      const LogEnd end = Check(text);
      ASSERT_EQ(end.state, LogEnd::State::kDamaged) << "byte " << at << " bit " << bit;
      ASSERT_LE(end.offset, at);
      text[at] = static_cast<char>(text[at] ^ (1 << bit));
    }
  }
}

TEST(LogCheck, HoleOfZerosIsDamageButZerosToTheEndAreATornTail) {
  const LogText log = SomeLog();
  for (const size_t begin : log.ends()) {
    std::string text = log.text();
    const size_t end = std::min(begin + 4'096, text.size());
    std::fill(text.begin() + static_cast<ptrdiff_t>(begin),
              text.begin() + static_cast<ptrdiff_t>(end), '\0');
    EXPECT_EQ(Check(text).state, end < text.size()     ? LogEnd::State::kDamaged
                                 : begin < text.size() ? LogEnd::State::kTorn
                                                       : LogEnd::State::kWhole);
    text = log.text() + std::string(10'000, '\0');
    EXPECT_EQ(Check(text).state, LogEnd::State::kTorn);
    EXPECT_EQ(Check(text).offset, log.text().size());
  }
}

TEST(LogCheck, MissingMiddleIsDamage) {
  const LogText log = SomeLog();
  std::string text = log.text();
  text.erase(kBlockBytes - 1'000, 1'000);  // what follows moves into another block
  EXPECT_EQ(Check(text).state, LogEnd::State::kDamaged);
  text = log.text();
  text.erase(0, kBlockBytes);  // begins inside a record
  EXPECT_EQ(Check(text).state, LogEnd::State::kDamaged);
}

TEST(LogCheck, RecordThatDoesNotBelongIsDamageWhereItBegins) {
  const LogText log = SomeLog();
  int records = 0;
  const LogEnd end =
      CheckLog(log.text(), kHeadBytes, [&](std::string_view) { return ++records < 4; });
  EXPECT_EQ(end.state, LogEnd::State::kDamaged);
  EXPECT_EQ(end.offset, log.ends()[2]);
}

TEST(LogCheck, NoiseNeverCrashes) {
  for (size_t bytes = 0; bytes < 200; ++bytes) Check(Record(bytes));
  for (const char byte : {'\x01', '\x02', '\x04', '\xff'}) {
    EXPECT_EQ(Check(std::string(100'000, byte)).state, LogEnd::State::kDamaged);
  }
}

}  // namespace
}  // namespace treadle::store
