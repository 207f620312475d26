#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/client/cli/commands.h"

// Commands that are about all tasks, or dead letters, that a filter takes.

namespace treadle::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(Commands, AFilterCancelsWhatItTakes) {
  const auto submit = [&](const std::string& type) {
    for (int i = 0; i < 3; ++i) Treadle({"submit", "--queue", "bulk", "--type", type});
  };
  submit("a");
  submit("b");
  const Ran dry = Treadle({"task", "cancel", "--queue", "bulk", "--type", "a", "--dry-run"});
  EXPECT_EQ(dry.exit_code, kOk);
  EXPECT_THAT(dry.err, HasSubstr("3 tasks would be cancelled"));
  const Ran refused = Treadle({"task", "cancel", "--queue", "bulk", "--type", "a"});
  EXPECT_EQ(refused.exit_code, kUsage);
  EXPECT_THAT(refused.err, HasSubstr("this would cancel 3 tasks: say --yes"));
  EXPECT_EQ(Treadle({"task", "cancel", "--queue", "bulk", "--type", "a", "-y"}).out,
            "3 tasks cancelled\n");
  EXPECT_EQ(Treadle({"task", "cancel", "--queue", "bulk", "--older-than", "1h", "-y"}).out,
            "0 tasks cancelled\n");
  EXPECT_EQ(Treadle({"queue", "purge", "bulk"}).exit_code, kUsage);
  EXPECT_EQ(Treadle({"queue", "purge", "bulk", "--type", "b", "--yes"}).out, "3 tasks cancelled\n");
  EXPECT_EQ(Treadle({"task", "list", "--queue", "bulk", "-o", "name"}).out, "");
}

TEST_F(Commands, WhatAFilterTakesIsDoneByAJobOfTheBroker) {
  const auto submit = [&](const std::string& type, const std::string& tenant) {
    Treadle({"submit", "--queue", "bulk", "--type", type, "--header", "tenant=" + tenant});
  };
  submit("a", "acme");
  submit("b", "acme");
  submit("a", "other");
  const std::vector<std::string> cancel = {"task", "cancel", "--filter",
                                           "header.tenant:acme -type:b"};
  const auto with = [&cancel](std::vector<std::string> more) {
    more.insert(more.begin(), cancel.begin(), cancel.end());
    return more;
  };
  EXPECT_THAT(Treadle(with({"--dry-run"})).err, HasSubstr("1 task would be cancelled"));
  EXPECT_THAT(Treadle(cancel).err, HasSubstr("this would cancel 1 task: say --yes"));
  const Ran begun =
      Treadle(with({"--yes", "--detach", "--rate=50", "--reason=moved", "-o", "json"}));
  ASSERT_EQ(begun.exit_code, kOk) << begun.err;
  const json job = json::parse(begun.out);
  EXPECT_EQ(job["spec"]["cancel_tasks"]["tasks"]["filter"], "header.tenant:acme -type:b");
  EXPECT_EQ(job["spec"]["tasks_per_second"], 50);
  const std::string id = job["job_id"];
  EXPECT_EQ(Treadle({"job", "wait", id}).out, "1 task cancelled\n");
  EXPECT_THAT(Treadle({"job", "show", id}).out, HasSubstr("header.tenant:acme -type:b\n"));
  EXPECT_THAT(Treadle({"job", "list"}).out, HasSubstr("that match header.tenant:acme -type:b"));

  const auto purged = [&](const std::string& filter) {
    return Treadle({"queue", "purge", "bulk", "--yes", "--filter", filter});
  };
  EXPECT_EQ(purged("type:b").out, "1 task cancelled\n");
  EXPECT_THAT(purged("state:running").err, HasSubstr("no task in these states can match it"));
  EXPECT_EQ(purged("queu:bulk").exit_code, kUsage);
  EXPECT_EQ(Treadle({"queue", "purge", "bulk", "--yes", "--reason", "moved"}).out,
            "1 task cancelled\n");
  EXPECT_EQ(Treadle({"task", "cancel", "zz-1", "--rate", "5"}).exit_code, kUsage);
}

TEST_F(Commands, DeadLettersAreTakenByAFilter) {
  Treadle({"submit", "--type", "fail", "--payload", "no Thread", "--wait"});
  Treadle({"submit", "--type", "fail", "--payload", "no needle", "--wait"});
  const auto take = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"dead", "delete", "--queue", "default", "--filter"});
    return Treadle(more);
  };
  EXPECT_THAT(take({"error~thread", "--dry-run"}).err, HasSubstr("1 dead letter would be deleted"));
  EXPECT_THAT(take({"error~thread"}).err, HasSubstr("delete 1 dead letter of queue default"));
  EXPECT_EQ(take({"error~thread", "--yes"}).out, "1 task deleted\n");
  EXPECT_THAT(Treadle({"dead", "list", "default"}).out,
              AllOf(HasSubstr("no needle"), Not(HasSubstr("no Thread"))));
  EXPECT_EQ(take({"state:queued", "--yes"}).exit_code, kUsage);
}

TEST_F(Commands, AFiltersWordsAreArguments) {
  std::string id =
      Treadle({"submit", "--type", "nobody", "--queue", "cloth", "--header", "tenant=acme"}).out;
  std::string other = Treadle({"submit", "--type", "nobody", "--queue", "other"}).out;
  Treadle({"submit", "--type", "fail", "--payload", "no Thread", "--wait"});
  const auto found = [this](std::vector<std::string> words) {
    words.insert(words.begin(), {"task", "list", "-o", "name"});
    const Ran ran = Treadle(words);
    EXPECT_EQ(ran.exit_code, kOk) << ran.err;
    return ran.out;
  };
  EXPECT_EQ(found({"queue:cloth", "type:no*"}), id);
  EXPECT_EQ(found({"queue:cloth,other sort:-age"}), other + id);
  EXPECT_EQ(found({"type:nobody", "-queue:cloth"}), other);
  EXPECT_EQ(found({"-header.tenant:acme", "--type", "nobody"}), other);
  EXPECT_EQ(found({"--", "-nobody"}), "");
  EXPECT_EQ(found({"error~thread"}), "");
  EXPECT_NE(found({"error~thread", "--all"}), "");
  EXPECT_EQ(found({"error~\"no thread\" state:failed"}), found({"error~thread", "--all"}));

  EXPECT_THAT(Treadle({"task", "list", "queue:cloth"}).err,
              HasSubstr("1 unfinished task searched; --all searches finished ones, too"));
  EXPECT_THAT(Treadle({"task", "list", "queue:cloth", "--all"}).err, HasSubstr("2 tasks searched"));
  EXPECT_THAT(Treadle({"task", "list", "queue:none"}).err,
              HasSubstr("no such unfinished tasks; --all shows finished ones, too"));
  EXPECT_THAT(Treadle({"task", "list", "type:nobody", "--limit", "1"}).err,
              HasSubstr("these are the first 1; --limit shows more"));
  EXPECT_EQ(json::parse(Treadle({"task", "list", "queue:cloth", "-o", "json"}).out).size(), 1u);

  EXPECT_THAT(Treadle({"dead", "list", "default", "error~thread"}).out, HasSubstr("no Thread"));
  EXPECT_THAT(Treadle({"dead", "list", "default", "-error~thread"}).err,
              HasSubstr("no such dead letters"));

  const std::vector<std::string> cancel = {"task", "cancel", "--filter", "header.tenant:acme"};
  std::vector<std::string> dry = cancel;
  dry.push_back("--dry-run");
  EXPECT_THAT(Treadle(dry).err, HasSubstr("1 task would be cancelled"));
  std::vector<std::string> yes = cancel;
  yes.insert(yes.end(), {"--yes", "--reason", "tenant left"});
  EXPECT_EQ(Treadle(yes).out, "1 task cancelled\n");
  EXPECT_EQ(found({"state:cancelled error~\"tenant left\""}), id);
  EXPECT_EQ(Treadle({"queue", "purge", "other", "--filter", "age>1h", "-y"}).out,
            "0 tasks cancelled\n");
  EXPECT_EQ(Treadle({"queue", "purge", "other", "--filter", "age<1h", "-y"}).out,
            "1 task cancelled\n");
}

}  // namespace
}  // namespace treadle::cli
