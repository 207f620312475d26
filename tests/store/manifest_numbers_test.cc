#include "server/store/manifest_numbers.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace treadle::store {
namespace {

constexpr uint64_t kComparator = 1;
constexpr uint64_t kLogNumber = 2;
constexpr uint64_t kNextFileNumber = 3;
constexpr uint64_t kLastSequence = 4;
constexpr uint64_t kPrevLogNumber = 9;
constexpr uint64_t kMinLogNumberToKeep = 10;
constexpr uint64_t kNewFile = 103;
constexpr uint64_t kDatabaseId = 8'193;

std::string Varint(uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes.push_back(static_cast<char>(number | 0x80));
  return bytes.append(1, static_cast<char>(number));
}

std::string Varints(const std::vector<uint64_t>& numbers) {
  std::string bytes;
  for (const uint64_t number : numbers) bytes += Varint(number);
  return bytes;
}

std::string Text(uint64_t tag, std::string_view text) {
  return Varints({tag, text.size()}).append(text);
}

TEST(ManifestNumbers, LatestRecordsCount) {
  ManifestNumbers numbers;
  numbers.Take(Text(kDatabaseId, "2f3c8b2e") + Text(kComparator, "leveldb.BytewiseComparator"));
  numbers.Take(Varints({kLogNumber, 0, kLastSequence, 0}));
  EXPECT_EQ(numbers.first_log, 0u);
  numbers.Take(Varints({kLogNumber, 300, kPrevLogNumber, 0, kNextFileNumber, 302, kLastSequence,
                        uint64_t{1} << 50, kNewFile, 0, 301, kLogNumber, 999}));
  EXPECT_EQ(numbers.first_log, 300u) << "the files' numbers are not tags";
  EXPECT_EQ(numbers.last_sequence, uint64_t{1} << 50);
  numbers.Take(Varints({kPrevLogNumber, 0, kNextFileNumber, 302, kMinLogNumberToKeep, 301}));
  EXPECT_EQ(numbers.first_log, 301u) << "whichever of the two is later";
  numbers.Take(Varints({kPrevLogNumber, 0, kNextFileNumber, 310, kMinLogNumberToKeep, 299}));
  EXPECT_EQ(numbers.first_log, 301u);
}

TEST(ManifestNumbers, CutHeadsAndNoiseAreReadToTheirEnd) {
  const std::string record = Text(kComparator, "leveldb.BytewiseComparator") +
                             Varints({kLogNumber, 300, kLastSequence, 70'000});
  for (size_t size = 0; size < record.size(); ++size) {
    ManifestNumbers numbers;
    numbers.Take(std::string_view(record).substr(0, size));
    EXPECT_EQ(numbers.last_sequence, 0u) << size;
  }
  for (int byte = 0; byte < 256; ++byte) {
    ManifestNumbers().Take(std::string(256, static_cast<char>(byte)));
  }
}

}  // namespace
}  // namespace treadle::store
