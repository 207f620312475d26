#include "proto/search/match.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::search {
namespace {

const Record::Headers kHeaders = {{"tenant", "acme"}, {"trace", "7"}};

Record Some() {
  Record record;
  record.text(Field::kId) = "cnsef1k6a7-1k9";
  record.text(Field::kQueue) = "mail";
  record.text(Field::kState) = "failed";
  record.text(Field::kType) = "Image-Resize";
  record.text(Field::kError) = "upstream Timed Out";
  record.text(Field::kErrorType) = "TimeoutError";
  record.text(Field::kDead) = "yes";
  record.number(Field::kPriority) = -3;
  record.number(Field::kAttempts) = 3;
  record.number(Field::kAge) = 300'000;
  record.number(Field::kSize) = 65'536;
  record.headers = &kHeaders;
  return record;
}

bool Takes(const std::string& text) { return Matches(Parse(text).value(), Some()); }

TEST(Match, EachOperator) {
  const std::vector<std::pair<std::string, bool>> table = {
      {"", true},
      {"queue:mail", true},
      {"queue:mai", false},
      {"queue:Mail", false},
      {"queue:art,mail", true},
      {"queue:m*", true},
      {"queue:*", true},
      {"worker:*", false},
      {"worker:\"\"", true},
      {"type~resize", true},
      {"type~RESIZE", true},
      {"type~crop,resize", true},
      {"error~\"timed out\"", true},
      {"error~x", false},
      {"state:failed,expired", true},
      {"state:unfinished", false},
      {"state:finished", true},
      {"priority:-3", true},
      {"priority<-3", false},
      {"priority<=-3", true},
      {"priority>-4", true},
      {"attempts>=3", true},
      {"attempts>3", false},
      {"attempts:1,3", true},
      {"age>5m", false},
      {"age>=5m", true},
      {"age<5m1s", true},
      {"size:64KiB", true},
      {"size>1MiB", false},
      {"dead:yes", true},
      {"dead:no", false},
      {"header.tenant:acme", true},
      {"header.tenant~CM", true},
      {"header.tenant:*", true},
      {"header.Tenant:acme", false},
      {"header.other:*", false},
      {"-header.other:*", true},
  };
  for (const auto& [text, takes] : table) {
    EXPECT_EQ(Takes(text), takes) << text;
    if (text.empty() || text.front() == '-') continue;
    EXPECT_EQ(Takes("-" + text), !takes) << "-" << text;
  }
}

TEST(Match, AllWordsMustHold) {
  EXPECT_TRUE(Takes("queue:mail attempts>=3 error~timed -worker:w7"));
  EXPECT_FALSE(Takes("queue:mail attempts>=4 error~timed"));
  EXPECT_FALSE(Takes("queue:mail -attempts>=3"));
}

TEST(Match, AWordAloneIsLookedForInIdTypeAndError) {
  EXPECT_TRUE(Takes("k6a7"));
  EXPECT_TRUE(Takes("resize"));
  EXPECT_TRUE(Takes("\"timed out\""));
  EXPECT_FALSE(Takes("mail")) << "that is its queue";
  EXPECT_TRUE(Takes("-mail"));
}

TEST(Match, WhatATaskHasNotIsNeitherMoreNorLess) {
  EXPECT_FALSE(Takes("ran<1h"));
  EXPECT_FALSE(Takes("ran>=0"));
  EXPECT_TRUE(Takes("-ran>=0"));
}

TEST(Match, AFilterCanBeAskedInSteps) {
  const Filter filter = Parse("queue:art attempts>=3").value();
  EXPECT_FALSE(Matches(filter, Some()));
  EXPECT_TRUE(Matches(filter, Some(), SetOf(Field::kAttempts)));
  EXPECT_FALSE(Matches(filter, Some(), SetOf(Field::kQueue) | SetOf(Field::kAttempts)));
  EXPECT_TRUE(Matches(filter, Record(), SetOf(Field::kState)));
}

}  // namespace
}  // namespace treadle::search
