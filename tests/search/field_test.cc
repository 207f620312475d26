#include "proto/search/field.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/search/complete.h"
#include "proto/search/filter.h"

namespace treadle::search {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> Words(const Completion& completion) {
  std::vector<std::string> words;
  for (const Suggestion& suggestion : completion.suggestions) words.push_back(suggestion.word);
  return words;
}

TEST(Fields, AllHaveAnExampleThatUsesThem) {
  for (const FieldInfo& info : AllFields()) {
    const absl::StatusOr<Filter> filter = Parse(info.example);
    ASSERT_TRUE(filter.ok()) << info.example << ": " << filter.status();
    EXPECT_NE(filter->fields() & SetOf(info.field), 0u) << info.example;
    EXPECT_EQ(&InfoOf(info.field), &info);
    if (info.field == Field::kText || info.field == Field::kHeader) continue;
    EXPECT_EQ(FieldNamed(info.name), info.field);
    EXPECT_EQ(ChoicesOf(info.field).empty(), info.kind != Kind::kChoice) << info.name;
  }
  EXPECT_EQ(FieldNamed(""), std::nullopt);
  EXPECT_EQ(FieldNamed("header."), std::nullopt);
}

// The page's table is the table of fields: when a line is missing, it is told as it should be.
TEST(Fields, ThePageHasThemAll) {
  std::ifstream file(TREADLE_SEARCH_PAGE);
  std::stringstream page;
  page << file.rdbuf();
  for (const FieldInfo& info : AllFields()) {
    const std::string name(info.field == Field::kText     ? "(a text)"
                           : info.field == Field::kHeader ? "header.NAME"
                                                          : info.name);
    const std::string line = "| `" + name + "` | " + std::string(info.about) + " | `" +
                             std::string(info.example) + "` |\n";
    EXPECT_THAT(page.str(), HasSubstr(line));
  }
}

TEST(Completion, OffersFieldsThenTheirValues) {
  for (const FieldInfo& info : AllFields()) {
    if (info.field == Field::kText) continue;
    EXPECT_THAT(Words(Complete("")), Contains(StartsWith(std::string(info.name))));
    EXPECT_THAT(Words(Complete("-")), Contains(StartsWith("-" + std::string(info.name))));
  }
  EXPECT_THAT(Words(Complete("")), Contains("sort:-age"));
  EXPECT_THAT(Words(Complete("sta")), Contains("state:"));
  EXPECT_THAT(Words(Complete("")), Contains("age>"));
  EXPECT_THAT(Words(Complete("dead:")), ElementsAre("dead:yes", "dead:no"));
  EXPECT_THAT(Words(Complete("-state:failed,")), Contains("-state:failed,expired"));
  EXPECT_THAT(Words(Complete("sort:")), ElementsAre("sort:age", "sort:-age"));
  EXPECT_THAT(Words(Complete("age>")), IsEmpty());
  EXPECT_THAT(Words(Complete("nonsense:")), IsEmpty());
  EXPECT_THAT(Words(Complete("error~\"a b\"")), IsEmpty());
}

TEST(Completion, LeavesNamesToTheBroker) {
  const Completion queues = Complete("queue:art,ma");
  EXPECT_EQ(queues.names_of, Field::kQueue);
  EXPECT_EQ(queues.before, "queue:art,");
  EXPECT_EQ(Complete("-worker:").names_of, Field::kWorker);
  EXPECT_EQ(Complete("type:").names_of, Field::kType);
  EXPECT_EQ(Complete("key:").names_of, std::nullopt);
  EXPECT_EQ(Complete("queue~").names_of, std::nullopt);
}

}  // namespace
}  // namespace treadle::search
