#include "server/store/manifest.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::store {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr uint64_t kComparator = 1;
constexpr uint64_t kLogNumber = 2;
constexpr uint64_t kNextFileNumber = 3;
constexpr uint64_t kLastSequence = 4;
constexpr uint64_t kDeletedFile = 6;
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

// A table in a level, as RocksDB 7.8 adds it.
std::string NewTable(uint64_t level, uint64_t number, uint64_t bytes) {
  constexpr uint64_t kFileCreationTime = 6;
  constexpr uint64_t kTerminate = 1;
  std::string record = Varints({kNewFile, level, number, bytes});
  record += Varint(3) + "abc" + Varint(3) + "xyz" + Varints({1, 70'000});
  return record + Text(kFileCreationTime, Varint(1'700'000'000)) + Varint(kTerminate);
}

void Take(Manifest& manifest, const std::string& record) {
  manifest.Take(record);
  EXPECT_TRUE(manifest.understood);
}

TEST(Manifest, LatestRecordsCount) {
  Manifest manifest;
  Take(manifest, Text(kDatabaseId, "2f3c8b2e") + Text(kComparator, "leveldb.BytewiseComparator"));
  Take(manifest, Varints({kLogNumber, 0, kLastSequence, 0}));
  EXPECT_EQ(manifest.first_log, 0u);
  Take(manifest, Varints({kLogNumber, 300, kPrevLogNumber, 0, kNextFileNumber, 302, kLastSequence,
                          uint64_t{1} << 50}) +
                     NewTable(0, 301, 999));
  EXPECT_EQ(manifest.first_log, 300u);
  EXPECT_EQ(manifest.last_sequence, uint64_t{1} << 50);
  Take(manifest, Varints({kPrevLogNumber, 0, kNextFileNumber, 302, kMinLogNumberToKeep, 301}));
  EXPECT_EQ(manifest.first_log, 301u) << "whichever of the two is later";
  Take(manifest, Varints({kPrevLogNumber, 0, kNextFileNumber, 310, kMinLogNumberToKeep, 299}));
  EXPECT_EQ(manifest.first_log, 301u);
}

TEST(Manifest, TablesAreThoseThatWereNotDeleted) {
  Manifest manifest;
  Take(manifest, NewTable(0, 12, 4'000) + NewTable(0, 14, 500));
  EXPECT_THAT(manifest.tables, ElementsAre(Pair(12, 4'000), Pair(14, 500)));
  // One moves to another level, the other goes.
  Take(manifest, Varints({kDeletedFile, 0, 12, kDeletedFile, 0, 14}) + NewTable(6, 12, 4'000) +
                     NewTable(6, 16, 1));
  EXPECT_THAT(manifest.tables, ElementsAre(Pair(12, 4'000), Pair(16, 1)));
}

TEST(Manifest, UnknownPartsAreSaidToBe) {
  Manifest manifest;
  manifest.Take(Text(kDatabaseId + 100, "from a later version, and may be passed over"));
  EXPECT_TRUE(manifest.understood);
  manifest.Take(Varints({250, 1}));
  EXPECT_FALSE(manifest.understood);
}

TEST(Manifest, CutRecordsAndNoiseAreReadToTheirEnd) {
  const std::string record = NewTable(0, 12, 4'000) + Varints({kLogNumber, 300});
  for (size_t size = 1; size < record.size(); ++size) {
    Manifest manifest;
    manifest.Take(std::string_view(record).substr(0, size));
    EXPECT_EQ(manifest.understood, size == NewTable(0, 12, 4'000).size());
    EXPECT_EQ(manifest.first_log, 0u) << size;
  }
  for (int byte = 0; byte < 256; ++byte) {
    Manifest().Take(std::string(256, static_cast<char>(byte)));
  }
}

}  // namespace
}  // namespace treadle::store
