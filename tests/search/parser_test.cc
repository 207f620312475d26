#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/search/filter.h"

namespace treadle::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Error(const std::string& text) {
  const absl::StatusOr<Filter> filter = Parse(text);
  EXPECT_TRUE(absl::IsInvalidArgument(filter.status())) << text << ": " << filter.status();
  return std::string(filter.status().message());
}

// What is understood of a filter, in its shortest form.
std::string Read(const std::string& text) {
  const absl::StatusOr<Filter> filter = Parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  return filter.ok() ? filter->ToString() : "";
}

TEST(Parser, AWordIsAFieldWithAnOperatorAndAValue) {
  const Filter filter = Parse("queue:mail").value();
  ASSERT_THAT(filter.conditions, SizeIs(1));
  const Condition& condition = filter.conditions[0];
  EXPECT_EQ(condition.field, Field::kQueue);
  EXPECT_EQ(condition.op, Operator::kEquals);
  EXPECT_FALSE(condition.negated);
  EXPECT_THAT(condition.values, ElementsAre(Value{.text = "mail"}));
}

TEST(Parser, WordsAreReadAsTheyAreMeant) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", ""},
      {"  \t\n ", ""},
      {" queue:mail   state:failed ", "queue:mail state:failed"},
      {"state:failed,expired", "state:failed,expired"},
      {"state:unfinished", "state:scheduled,queued,running"},
      {"state:finished,failed", "state:succeeded,failed,cancelled,expired"},
      {"type:image-*", "type:image-*"},
      {"type:\"image\"*", "type:image*"},
      {"type:\"image*\"", "type:\"image*\""},
      {"worker:*", "worker:*"},
      {"-worker:w7", "-worker:w7"},
      {"key:\"\"", "key:\"\""},
      {"age>5m", "age>5m"},
      {"age>=90s", "age>=1m30s"},
      {"finished<=7d", "finished<=7d"},
      {"due<0", "due<0"},
      {"size>64KiB", "size>64KiB"},
      {"size:1.5MiB", "size:1536KiB"},
      {"attempts>=3 max_attempts:1,2", "attempts>=3 max_attempts:1,2"},
      {"priority<-5", "priority<-5"},
      {"error~\"timed out\"", "error~\"timed out\""},
      {"error~timeout,refused", "error~timeout,refused"},
      {R"(error~"a \"quote\" and a \\")", R"(error~"a \"quote\" and a \\")"},
      {"error:a:b~c", "error:a:b~c"},
      {"key:\">5\"", "key:\">5\""},
      {"header.tenant:acme", "header.tenant:acme"},
      {"header.x-request-id~7", "header.x-request-id~7"},
      {"header.\"a b\":c", "header.\"a b\":c"},
      {"-header.tenant:*", "-header.tenant:*"},
      {"dead:yes", "dead:yes"},
      {"timeout", "timeout"},
      {"-timeout", "-timeout"},
      {"\"queue:mail\"", "\"queue:mail\""},
      {"-\"no such\"", "-\"no such\""},
      {"\"-x\"", "\"-x\""},
      {"cnsef1k6a7-1k9", "cnsef1k6a7-1k9"},
      {"sort:age", "sort:age"},
      {"sort:-age queue:mail", "queue:mail sort:-age"},
      {"größe", "größe"},
  };
  for (const auto& [text, read] : table) EXPECT_EQ(Read(text), read) << text;
}

TEST(Parser, AMistakeIsToldWithItsPlaceAndAWayOut) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"stat:failed", "character 1: unknown field 'stat': did you mean 'state'?"},
      {"a b queu:mail", "character 5: unknown field 'queu': did you mean 'queue'?"},
      {"ü ü stat:x", "character 5: unknown field 'stat'"},
      {"http://example",
       "to look for a text that has ':', '~', '<', '>' or '=', write it in quotes"},
      {"header:acme", "did you mean 'header.'?"},
      {"header.:acme", "character 8: expected a header's name, as in header.tenant:acme"},
      {"state:faild", "character 7: 'faild' is no value of state: did you mean 'failed'?"},
      {"state:blue",
       "use scheduled, queued, running, succeeded, failed, cancelled, expired, "
       "unfinished or finished"},
      {"dead:maybe", "'maybe' is no value of dead: use yes or no"},
      {"state~fail", "character 6: state takes :, as in state:failed,expired"},
      {"queue>mail", "queue takes : or ~, as in queue:mail"},
      {"queue=mail", "character 6: expected one of : or ~ behind the field"},
      {"age:5m", "character 4: age takes <, <=, > or >=, as in age>5m"},
      {"attempts:>3", "character 9: attempts takes :, <, <=, > or >=, as in attempts>=3"},
      {"age>5", "character 5: '5' is not a duration"},
      {"age>-5m", "is not a duration"},
      {"age>5m,6m", "character 7: a comparison has one value"},
      {"size>huge", "'huge' is not a size"},
      {"size>9000000GiB", "is too large"},
      {"attempts>x", "'x' is not a whole number"},
      {"priority:99999999999999999999", "is not a whole number"},
      {"queue:", "character 7: expected a value, as in queue:mail"},
      {"queue:a,", "character 9: expected a value"},
      {"error~\"\"", "expected a value"},
      {"type:a*b", "character 8: expected a space or a comma behind the value"},
      {"type:*a", "expected a space or a comma"},
      {"error~a*", "character 8: a '*' may end a text behind ':' only"},
      {"state:fail*", "a '*' may end a text"},
      {"image*", "character 6: a '*' may end the value of a field"},
      {"-", "character 2: expected a word"},
      {"\"\"", "expected a word"},
      {":mail", "character 1: expected a field before the operator"},
      {"error~\"open", "character 7: the quotes are not closed"},
      {"\"a\\n\"", "in quotes a backslash is written \\\\"},
      {"\"a\"b", "character 4: expected a space behind the quotes"},
      {"type:\"a\"b", "character 9: expected a space or a comma"},
      {"sort:name", "character 5: expected sort:age"},
      {"sort:age sort:-age", "character 10: a second sort"},
      {"-sort:age", "sort cannot be negated; write sort:-age"},
      {"\xff", "is not UTF-8"},
  };
  for (const auto& [text, says] : table) EXPECT_THAT(Error(text), HasSubstr(says)) << text;
}

TEST(Parser, EverythingHasABound) {
  std::string words;
  for (size_t i = 0; i < kWordsMax; ++i) words += "a ";
  EXPECT_TRUE(Parse(words).ok());
  EXPECT_THAT(Error(words + "a"), HasSubstr("a word too many: at most 64"));
  std::string values = "queue:q";
  for (size_t i = 1; i < kValuesMax; ++i) values += ",q";
  EXPECT_TRUE(Parse(values).ok());
  EXPECT_THAT(Error(values + ",q"), HasSubstr("a value too many: at most 100"));
  EXPECT_TRUE(Parse(std::string(kFilterBytesMax, 'a')).ok());
  EXPECT_THAT(Error(std::string(kFilterBytesMax + 1, 'a')), HasSubstr("has 4097 bytes; at most"));
  // What is shown of it is short.
  std::string name;
  while (name.size() < 4'000) name += "field";
  EXPECT_THAT(Error(name + ":y"), SizeIs(testing::Lt(300u)));
}

TEST(Filter, SaysWhichTasksItNames) {
  EXPECT_EQ(Parse("id:a-1,b-2 queue:x").value().Ids(), (std::vector<std::string>{"a-1", "b-2"}));
  EXPECT_EQ(Parse("-id:a-1").value().Ids(), std::nullopt);
  EXPECT_EQ(Parse("id:a-*").value().Ids(), std::nullopt);
  EXPECT_EQ(Parse("id~a").value().Ids(), std::nullopt);
  for (const char* const text : {"state:queued", "id:a-1", "finished<5m", "-dead:yes"}) {
    EXPECT_TRUE(Parse(text).value().names_states()) << text;
  }
  EXPECT_FALSE(Parse("queue:mail error~x sort:age").value().names_states());
}

// Whatever is typed: it is refused, or understood, and then what is printed is the same filter.
TEST(Filter, PrintedAndReadAgainIsTheSame) {
  const std::vector<std::string> pieces = {
      "queue", "state", "error",  "age",  "size",  "attempts", "header.", "sort", "dead",
      ":",     "~",     "<",      ">",    "=",     ",",        "*",       "\"",   "\\",
      "-",     " ",     "failed", "5m",   "64KiB", "7",        "mail",    "a b",  "ü",
      "\t",    "-age",  "yes",    "1.5h", "\n",    "finished", "x\"y",    "\x01", "id"};
  std::mt19937 random(17);
  int understood = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    const size_t count = 1 + random() % 12;
    for (size_t i = 0; i < count; ++i) text += pieces[random() % pieces.size()];
    const absl::StatusOr<Filter> filter = Parse(text);
    if (!filter.ok()) {
      EXPECT_THAT(std::string(filter.status().message()), HasSubstr("character ")) << text;
      continue;
    }
    ++understood;
    const std::string printed = filter->ToString();
    const absl::StatusOr<Filter> again = Parse(printed);
    ASSERT_TRUE(again.ok()) << text << "\n" << printed << "\n" << again.status();
    ASSERT_EQ(*again, *filter) << text << "\n" << printed;
  }
  EXPECT_GT(understood, 1'000);
}

TEST(Parser, RandomBytesDoNoHarm) {
  std::mt19937 random(18);
  for (int round = 0; round < 50'000; ++round) {
    std::string text(random() % 40, '\0');
    // Mostly what a filter has, and some of everything.
    for (char& c : text) c = static_cast<char>(random() % 4 == 0 ? random() : 32 + random() % 95);
    const absl::StatusOr<Filter> filter = Parse(text);
    if (!filter.ok()) continue;
    EXPECT_EQ(Parse(filter->ToString()).value(), *filter) << text;
  }
}

}  // namespace
}  // namespace treadle::search
