#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "server/broker/row_codec.h"
#include "server/broker/row_key.h"
#include "tests/broker/sample_rows.h"

// The bytes of the stored rows, as this format of the store has them for good.

namespace treadle::broker {
namespace {

constexpr char kFile[] = TREADLE_BROKER_TESTS "/rows.txt";

engine::Row WithBody(engine::Row row) {
  const BodyPart body = AllOf(std::make_shared<const Body>(SomeBody()));
  if (auto* task = std::get_if<engine::TaskRow>(&row)) task->payload = body;
  if (auto* dead = std::get_if<engine::DeadTaskRow>(&row)) dead->task.payload = body;
  if (auto* finished = std::get_if<engine::FinishedRow>(&row)) finished->body = body;
  return row;
}

std::string Lines() {
  std::string lines;
  for (const engine::Row& row : OneOfEachKind()) {
    store::WriteBatch batch;
    RowEncoder().Encode(WithBody(row), batch);
    const std::string key(batch[0].key);
    const std::string value(*batch[0].value);
    absl::StrAppend(&lines, DescribeKey(key), "\n  ", absl::BytesToHexString(key), "\n  ",
                    absl::BytesToHexString(value), "\n");
  }
  return lines;
}

TEST(RowBytes, AreThoseThatStoresOfThisFormatHave) {
  std::ifstream file(kFile);
  std::stringstream kept;
  kept << file.rdbuf();
  EXPECT_EQ(Lines(), kept.str())
      << "a store that was written before could not be read any more. If that is meant, raise "
         "store::DataDirectory::kFormat, and put what is above in "
      << kFile;
}

}  // namespace
}  // namespace treadle::broker
