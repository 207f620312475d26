#include "tests/client/cli/commands.h"

#include <algorithm>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/strings/match.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

// Commands against a broker and a worker in this process; those with filters are in
// filter_commands_test.cc.

namespace treadle::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(Commands, SubmitPrintsAnIdThatResultTakes) {
  const Ran submitted = Treadle({"submit", "--type", "echo", "--payload", "to and fro"});
  ASSERT_EQ(submitted.exit_code, kOk) << submitted.err;
  const std::string id = submitted.out.substr(0, submitted.out.size() - 1);
  const Ran result = Treadle({"result", id});
  EXPECT_EQ(result.exit_code, kOk);
  EXPECT_EQ(result.out, "to and fro");
  EXPECT_THAT(result.err, IsEmpty());

  const json shown = json::parse(Treadle({"result", id, "--output", "json"}).out);
  EXPECT_EQ(shown["task_id"], id);
  EXPECT_EQ(shown["state"], "SUCCEEDED");
  EXPECT_EQ(shown["result"], "to and fro");
  const json task = json::parse(Treadle({"task", "show", id, "-o", "json"}).out);
  EXPECT_EQ(task["type"], "echo");
  EXPECT_EQ(task["payload_bytes"], 10);
  EXPECT_THAT(Treadle({"task", "list", "--all"}).out, HasSubstr(id));
}

TEST_F(Commands, APayloadMayComeFromStandardInput) {
  EXPECT_EQ(Treadle({"submit", "--type", "echo", "--payload", "-", "-w"}, "from\0in").out, "from");
}

TEST_F(Commands, AFailedTaskIsExitCodeOneAndOneSentence) {
  const Ran ran = Treadle({"submit", "--type", "fail", "--payload", "no such page", "--wait"});
  EXPECT_EQ(ran.exit_code, kTaskFailed);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("FAILED after 1 attempt on loom: NOT_FOUND: no such page\n"));
}

TEST_F(Commands, TheSameRequestKeyIsTheSameTask) {
  const std::vector<std::string> args = {"submit",        "--type", "echo",     "--payload", "x",
                                         "--request-key", "k",      "--output", "json"};
  const json first = json::parse(Treadle(args).out);
  const json second = json::parse(Treadle(args).out);
  EXPECT_EQ(first["task_id"], second["task_id"]);
  EXPECT_EQ(first["existing"], false);
  EXPECT_EQ(second["existing"], true);
  const Ran other = Treadle({"submit", "--type", "echo", "--payload", "y", "--request-key", "k"});
  EXPECT_EQ(other.exit_code, kRefused);
  EXPECT_THAT(other.err, HasSubstr("request_key 'k'"));
}

TEST_F(Commands, ResultGivesUpAfterItsTimeoutAndTheTaskGoesOn) {
  const std::string id = SubmitHold();
  const Ran ran = Treadle({"result", id, "--timeout", "50ms"});
  EXPECT_EQ(ran.exit_code, kTimeout);
  EXPECT_THAT(ran.err, HasSubstr("treadle result " + id + " --broker " + broker_->address()));
  AwaitHeld(1);
  const Ran cancelled = Treadle({"task", "cancel", id});
  EXPECT_EQ(cancelled.exit_code, kOk);
  EXPECT_EQ(Treadle({"result", id}).exit_code, kTaskFailed);
  EXPECT_THAT(Treadle({"task", "cancel", id}).out, HasSubstr("is cancelled"));
}

TEST_F(Commands, CtrlCEndsTheWaitAndTellsHowToGoOn) {
  const std::string id = SubmitHold();
  AwaitHeld(1);
  const Ran ran = Interrupted({"result", id}, [] {});
  EXPECT_EQ(ran.exit_code, kInterrupted);
  EXPECT_THAT(ran.err, HasSubstr("interrupted; the task goes on: fetch its result later with: "
                                 "treadle result " +
                                 id));
  const json task = json::parse(Treadle({"task", "show", id, "-o", "json"}).out);
  EXPECT_EQ(task["state"], "RUNNING");
  EXPECT_EQ(Treadle({"task", "cancel", id}).exit_code, kOk);
}

TEST_F(Commands, UnknownIdsAndBadOnesHaveTheirCodes) {
  EXPECT_EQ(Treadle({"result", "zzz-1"}).exit_code, kNotFound);
  EXPECT_EQ(Treadle({"result", "not an id"}).exit_code, kUsage);
  EXPECT_EQ(Treadle({"task", "show", "zzz-1", "zzz-2"}).exit_code, kNotFound);
  EXPECT_EQ(Treadle({"queue", "show", "none"}).exit_code, kNotFound);
  EXPECT_EQ(Treadle({"submit", "--type", "echo", "--priority", "3"}).exit_code, kUsage);
}

TEST_F(Commands, QueuesFromTheirCreationToTheirEnd) {
  EXPECT_EQ(Treadle({"queue", "create", "cloth", "--discipline", "priority", "--max-tasks", "2"})
                .exit_code,
            kOk);
  EXPECT_EQ(Treadle({"queue", "create", "cloth"}).exit_code, kRefused);
  EXPECT_EQ(Treadle({"queue", "pause", "cloth"}).exit_code, kOk);
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ(Treadle({"submit", "-q", "cloth", "--type", "a", "--priority", "-5"}).exit_code, kOk);
  }
  const Ran full = Treadle({"submit", "-q", "cloth", "--type", "a"});
  EXPECT_EQ(full.exit_code, kRefused);
  EXPECT_THAT(full.err, HasSubstr("2 of 2"));
  EXPECT_EQ(Treadle({"queue", "update", "cloth", "--max-tasks", "3"}).exit_code, kOk);
  EXPECT_THAT(Treadle({"queue", "close", "cloth"}).out, HasSubstr("closed"));
  EXPECT_THAT(Treadle({"submit", "-q", "cloth", "--type", "a"}).err, HasSubstr("is closed"));
  EXPECT_EQ(Treadle({"queue", "reopen", "cloth"}).exit_code, kOk);

  const json queue = json::parse(Treadle({"queue", "show", "cloth", "-o", "json"}).out);
  EXPECT_EQ(queue["config"]["discipline"], "PRIORITY");
  EXPECT_EQ(queue["config"]["max_tasks"], 3);
  EXPECT_EQ(queue["paused"], true);
  EXPECT_EQ(queue["stats"]["queued"], 2);
  EXPECT_THAT(Treadle({"queue", "list"}).out, AllOf(HasSubstr("NAME"), HasSubstr("cloth")));
  EXPECT_THAT(Treadle({"queue", "show", "cloth"}).out, HasSubstr("2 of 3 tasks"));

  EXPECT_EQ(Treadle({"queue", "delete", "cloth"}).exit_code, kRefused);
  EXPECT_EQ(Treadle({"queue", "purge", "cloth", "--yes"}).out, "2 tasks cancelled\n");
  EXPECT_EQ(Treadle({"queue", "resume", "cloth"}).exit_code, kOk);
  EXPECT_EQ(Treadle({"queue", "delete", "cloth"}).exit_code, kOk);
  EXPECT_EQ(Treadle({"queue", "show", "cloth"}).exit_code, kNotFound);
}

TEST_F(Commands, WorkersAndTheBrokerAreShown) {
  ASSERT_EQ(Treadle({"submit", "--type", "echo", "--wait"}).exit_code, kOk);  // it is attached
  EXPECT_THAT(Treadle({"worker", "list"}).out,
              AllOf(HasSubstr("loom"), HasSubstr("connected"), HasSubstr("echo")));
  const json worker = json::parse(Treadle({"worker", "list", "-o", "json"}).out)[0];
  EXPECT_EQ(worker["name"], "loom");
  EXPECT_EQ(worker["pools"][0]["slots"], 4);
  const json info = json::parse(Treadle({"server", "show", "-o", "json"}).out);
  EXPECT_EQ(info["workers"], 1);
  EXPECT_EQ(info["store"], "memory");
  EXPECT_GT(info["stats"]["turn_requests_mean"], 0);
  const std::string shown = Treadle({"server", "show"}).out;
  EXPECT_THAT(shown, AllOf(HasSubstr("resident"), HasSubstr("on average, 99 % at most"),
                           HasSubstr("(at most 256 MiB)")));
  EXPECT_THAT(shown, Not(HasSubstr("syncs"))) << "there is no disk";
}

TEST_F(Commands, AWorkerIsShownWithItsPoolsAndHandlers) {
  ASSERT_EQ(Treadle({"submit", "--type", "echo", "--wait"}).exit_code, kOk);
  json worker;
  do {  // it tells of its handlers every two seconds
    worker = json::parse(Treadle({"worker", "show", "loom", "-o", "json"}).out);
  } while (worker["handlers"].empty() || worker["handlers"][0]["runs"] == 0);
  EXPECT_EQ(worker["handlers"].size(), 3u);
  EXPECT_EQ(worker["handlers"][0]["type"], "echo");
  EXPECT_EQ(worker["handlers"][0]["pool"], "thread");
  EXPECT_EQ(worker["handlers"][0]["runs"], 1);
  EXPECT_EQ(worker["handlers"][0]["advice"], "TOO_FEW_RUNS");

  const std::string id = worker["worker_id"];
  const std::string text = Treadle({"worker", "show", id}).out;
  EXPECT_THAT(text, AllOf(HasSubstr("name       loom\n"), HasSubstr("state      connected\n")));
  EXPECT_THAT(text, HasSubstr("POOL    SLOTS  RUNNING  LEASED  CREDIT  TYPES\n"
                              "thread      4        0       0"));
  EXPECT_THAT(text, ContainsRegex("HANDLER  POOL    RUNS +EACH +CPU  RECOMMENDED\n"));
  EXPECT_THAT(text, ContainsRegex("\necho     thread     1  +[0-9.]+ ms +[0-9]+ %  "
                                  "too few runs to advise\n"));
  EXPECT_THAT(text, ContainsRegex("\nhold     thread     0 +- +-  too few runs to advise\n"));
}

TEST_F(Commands, AWorkerThatIsNotThereOrNotTheOnlyOneOfItsNameIsNotShown) {
  const Ran unknown = Treadle({"worker", "show", "nobody"});
  EXPECT_EQ(unknown.exit_code, kNotFound);
  EXPECT_THAT(unknown.err, HasSubstr("no worker 'nobody': treadle worker list"));

  testing::LocalWorker twin(*broker_, Loom(1));
  twin->HandleRaw("other", [](TaskContext&, Payload payload) { return payload; });
  twin.Start();
  ASSERT_EQ(Treadle({"submit", "--type", "echo", "--wait"}).exit_code, kOk);
  ASSERT_EQ(Treadle({"submit", "--type", "other", "--wait"}).exit_code, kOk);
  const Ran ambiguous = Treadle({"worker", "show", "loom"});
  EXPECT_EQ(ambiguous.exit_code, kUsage);
  EXPECT_THAT(ambiguous.err, HasSubstr("2 workers are named 'loom': say which by its id"));
}

TEST_F(Commands, AWorkerInQuarantineIsShownAndReleased) {
  WorkerOptions options = Loom(1);
  options.name = "broken";
  testing::LocalWorker broken(*broker_, options);
  broken->HandleRaw("echo", [](TaskContext&, Bytes) -> absl::StatusOr<Bytes> {
    return Permanent(absl::DataLossError("no space left"));
  });
  broken.Start();
  std::string batch;
  for (int i = 0; i < 100; i++) batch += "{}\n";
  do {  // until it has failed often enough
    ASSERT_EQ(Treadle({"submit", "--batch", "-", "--type", "echo"}, batch).exit_code, kOk);
  } while (!absl::StrContains(Treadle({"worker", "list"}).out, "quarantined"));
  EXPECT_THAT(Treadle({"worker", "show", "broken"}).out,
              AllOf(HasSubstr("in quarantine"), HasSubstr("of others succeeded"),
                    HasSubstr("echo of queue default: DATA_LOSS: no space left")));

  EXPECT_EQ(Treadle({"worker", "release", "nobody"}).exit_code, kNotFound);
  EXPECT_EQ(Treadle({"worker", "release", "loom"}).exit_code, kRefused);
  const Ran released = Treadle({"worker", "release", "broken", "--reason", "new disk"});
  EXPECT_EQ(released.exit_code, kOk) << released.err;
  EXPECT_EQ(released.out, "1 worker released\n");
  EXPECT_THAT(Treadle({"server", "actions", "--kind", "worker-released"}).out,
              AllOf(HasSubstr("broken"), HasSubstr("new disk")));
}

TEST_F(Commands, ABrokerInMemorySaysThatATaskIsNotOnTheDisk) {
  EXPECT_THAT(Treadle({"submit", "--type", "echo", "--durability", "synced"}).err,
              HasSubstr("only as safe as MEMORY"));
  EXPECT_THAT(Treadle({"submit", "--type", "echo"}).err, IsEmpty());
}

TEST_F(Commands, MapWritesResultsInTheItemsOrder) {
  std::string input;
  for (int i = 0; i < 1'000; i++) input += std::to_string(i) + "\n";
  const Ran ran = Treadle({"map", "--type", "echo", "--tag"}, input);
  EXPECT_EQ(ran.exit_code, kOk);
  EXPECT_THAT(ran.err, IsEmpty());
  std::string expected;
  for (int i = 0; i < 1'000; i++) {
    expected += std::to_string(i) + "\t" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(ran.out, expected);
}

TEST_F(Commands, MapWithOneJobRunsOneAtATime) {
  EXPECT_EQ(Treadle({"map", "-j", "1", "--type", "echo", ":::", "a", "b", "c"}).out, "abc");
}

TEST_F(Commands, MapOfNothingIsNothing) {
  const Ran ran = Treadle({"map", "--type", "echo"}, "");
  EXPECT_EQ(ran.exit_code, kOk);
  EXPECT_THAT(ran.out + ran.err, IsEmpty());
}

TEST_F(Commands, TheFirstFailureStopsAMap) {
  const Ran ran = Treadle({"map", "--type", "fail", "-j", "1", ":::", "first", "second", "third"});
  EXPECT_EQ(ran.exit_code, kTaskFailed);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("item 'first': task"), HasSubstr("NOT_FOUND: first"),
                             HasSubstr("--keep-going"), Not(HasSubstr("'second'"))));
}

TEST_F(Commands, AFailureBehindARunningItemStopsAMapToo) {
  const Ran ran = Treadle({"map", "--type", "hold", ":::", "1", "bad", "2"});
  EXPECT_EQ(ran.exit_code, kTaskFailed);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("item 'bad': task"), HasSubstr("DATA_LOSS: bad thread"),
                             HasSubstr("stopped: 1 of 3 items ended, 2 were cancelled")));
}

TEST_F(Commands, KeepGoingTellsEveryFailure) {
  const Ran ran = Treadle({"map", "--type", "fail", "--keep-going", "-o", "json", ":::", "a", "b"});
  EXPECT_EQ(ran.exit_code, kTaskFailed);
  std::istringstream lines(ran.out);
  std::string line;
  std::getline(lines, line);
  json item = json::parse(line);
  EXPECT_EQ(item["item"], "a");
  EXPECT_EQ(item["state"], "FAILED");
  EXPECT_EQ(item["error"]["type"], "NOT_FOUND");
  std::getline(lines, line);
  EXPECT_EQ(json::parse(line)["item"], "b");
  EXPECT_EQ(ran.err, "treadle: 2 of 2 items failed\n");
}

TEST_F(Commands, FilesBecomeThePayloadAndAMissingOneIsAFailedItem) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/a.txt";
  std::ofstream(path) << "inside";
  EXPECT_EQ(Treadle({"map", "--type", "echo", "--stdin-files", ":::", path}).out, "inside");
  const Ran ran =
      Treadle({"map", "--keep-going", "--type", "echo", "--stdin-files", ":::", "/nowhere", path});
  EXPECT_EQ(ran.exit_code, 7);
  EXPECT_EQ(ran.out, "inside");
  EXPECT_THAT(ran.err, AllOf(HasSubstr("item '/nowhere': cannot read '/nowhere'"),
                             HasSubstr("1 of 2 items failed")));
}

TEST_F(Commands, CtrlCEndsAMapThatReadsAnItemsFile) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  int writer = -1;
  const Ran ran = Interrupted({"map", "--type", "echo", "--stdin-files", ":::", path}, [&] {
    // Opens as soon as it is being read.
    while ((writer = ::open(path.c_str(), O_WRONLY | O_NONBLOCK)) < 0) std::this_thread::yield();
  });
  ::close(writer);
  EXPECT_EQ(ran.exit_code, kInterrupted);
  EXPECT_EQ(ran.err, "treadle: interrupted: 0 of 1 items ended, 0 were cancelled\n");
}

TEST_F(Commands, CtrlCCancelsWhatAMapHasUnderWay) {
  const Ran ran = Interrupted({"map", "--type", "hold", ":::", "1", "2"}, [this] { AwaitHeld(2); });
  EXPECT_EQ(ran.exit_code, kInterrupted);
  EXPECT_EQ(ran.err, "treadle: interrupted: 0 of 2 items ended, 2 were cancelled\n");
  EXPECT_THAT(Treadle({"task", "list", "--state", "cancelled"}).out, HasSubstr("CANCELLED"));
  EXPECT_THAT(Treadle({"task", "list"}).err, HasSubstr("no such unfinished tasks"));
}

TEST_F(Commands, ShortFormsAreTheSameCommands) {
  const Ran ran = Treadle({"task", "submit", "--wait", "--type", "echo", "--payload", "weft"});
  EXPECT_EQ(ran.out, "weft") << ran.err;
  std::string id = Treadle({"task", "submit", "--type", "echo", "--payload", "warp"}).out;
  id.pop_back();
  EXPECT_EQ(Treadle({"task", "result", id}).out, "warp");
  EXPECT_EQ(Treadle({"result", id}).out, "warp");
}

TEST_F(Commands, WaitTellsOfEachTaskAndOfTheFirstFailure) {
  std::string good = Treadle({"submit", "--type", "echo"}).out;
  std::string bad = Treadle({"submit", "--type", "fail", "--payload", "no thread"}).out;
  good.pop_back();
  bad.pop_back();
  const Ran ran = Treadle({"task", "wait", good, bad, "-o", "jsonl"});
  EXPECT_EQ(ran.exit_code, kTaskFailed) << ran.err;
  std::istringstream lines(ran.out);
  std::string first, second;
  std::getline(lines, first);
  std::getline(lines, second);
  EXPECT_EQ(json::parse(first)["state"], "SUCCEEDED");
  EXPECT_EQ(json::parse(second)["error"]["message"], "no thread");
  const Ran quiet = Treadle({"task", "wait", good, "-o", "quiet"});
  EXPECT_EQ(quiet.exit_code, kOk);
  EXPECT_THAT(quiet.out + quiet.err, IsEmpty());
  const std::string held = SubmitHold();
  EXPECT_EQ(Treadle({"task", "wait", good, held, "--timeout", "50ms"}).exit_code, kTimeout);
  Treadle({"task", "cancel", held});
}

TEST_F(Commands, WatchPrintsChangesToTheEnd) {
  std::string id = Treadle({"submit", "--type", "fail", "--payload", "x", "--delay", "100ms"}).out;
  id.pop_back();
  const Ran ran = Treadle({"task", "watch", id, "-o", "jsonl"});
  EXPECT_EQ(ran.exit_code, kTaskFailed) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("\"SCHEDULED\""), HasSubstr("\"FAILED\"")));
  EXPECT_THAT(Treadle({"task", "watch", id}).out, HasSubstr(id + " FAILED"));
}

TEST_F(Commands, EachFormOfOutput) {
  std::string id = Treadle({"submit", "--type", "nobody", "--queue", "cloth", "-o", "name"}).out;
  id.pop_back();
  const auto list = [&](const std::string& form) {
    return Treadle({"task", "list", "--queue", "cloth", "-o", form}).out;
  };
  EXPECT_THAT(list("table"), AllOf(HasSubstr("ATTEMPTS"), Not(HasSubstr("DEADLINE"))));
  EXPECT_THAT(list("wide"), HasSubstr("DEADLINE"));
  EXPECT_EQ(json::parse(list("json"))[0]["task_id"], id);
  EXPECT_EQ(json::parse(list("jsonl"))["task_id"], id);
  EXPECT_THAT(list("csv"), AllOf(HasSubstr("task_id,queue,"), HasSubstr("last_error.type"),
                                 HasSubstr("\n" + id + ",cloth,nobody,")));
  EXPECT_EQ(list("name"), id + "\n");
  EXPECT_EQ(list("quiet"), "");
  EXPECT_EQ(Treadle({"task", "list", "--queue", "none", "-o", "json"}).out, "[]\n");
  EXPECT_THAT(Treadle({"task", "list", "--queue", "none", "-o", "csv"}).out,
              HasSubstr("task_id,queue,"));
  EXPECT_EQ(Treadle({"submit", "--type", "nobody", "-o", "quiet"}).out, "");
  EXPECT_EQ(Treadle({"queue", "list", "-o", "name"}).out, "cloth\ndefault\n");
}

TEST_F(Commands, ColoursAreForThoseWhoWantThem) {
  Treadle({"submit", "--type", "fail", "--wait"});
  const std::vector<std::string> list = {"task", "list", "--all"};
  EXPECT_THAT(Treadle(list).out, Not(HasSubstr("\x1b")));
  std::vector<std::string> coloured = list;
  coloured.insert(coloured.end(), {"--color", "always"});
  EXPECT_THAT(Treadle(coloured).out, HasSubstr("\x1b[31mFAILED\x1b[0m"));
}

TEST_F(Commands, WhyATaskWasCancelledStandsInItsError) {
  std::string id = Treadle({"submit", "--type", "nobody"}).out;
  id.pop_back();
  EXPECT_EQ(Treadle({"task", "cancel", id, "--reason", "sent twice"}).exit_code, kOk);
  EXPECT_THAT(Treadle({"task", "show", id}).out,
              HasSubstr("Cancelled: the task was cancelled: sent twice"));
  Treadle({"submit", "--queue", "bulk", "--type", "nobody"});
  EXPECT_EQ(Treadle({"task", "cancel", "--queue", "bulk", "--reason", "obsolete", "-y"}).out,
            "1 task cancelled\n");
  EXPECT_THAT(Treadle({"task", "list", "--queue", "bulk", "--all"}).out, HasSubstr("obsolete"));
}

TEST_F(Commands, ATasksPayloadIsWrittenAsItCame) {
  std::string id =
      Treadle({"submit", "--type", "nobody", "--payload", "a\nb", "--header", "k=v"}).out;
  id.pop_back();
  const Ran bytes = Treadle({"task", "payload", id});
  EXPECT_EQ(bytes.exit_code, kOk);
  EXPECT_EQ(bytes.out, "a\nb");
  const json whole = json::parse(Treadle({"task", "payload", id, "-o", "json"}).out);
  EXPECT_EQ(whole["payload"], "a\nb");
  EXPECT_EQ(whole["headers"]["k"], "v");
  EXPECT_EQ(Treadle({"task", "cancel", id}).exit_code, kOk);
  const Ran ended = Treadle({"task", "payload", id});
  EXPECT_NE(ended.exit_code, kOk);
  EXPECT_THAT(ended.err, HasSubstr("has ended"));
}

TEST_F(Commands, WatchRepeatsUntilCtrlC) {
  const Ran ran =
      Interrupted({"queue", "list", "--watch", "--interval", "100ms", "-o", "jsonl"}, [] {});
  EXPECT_EQ(ran.exit_code, kInterrupted);
}

TEST_F(Commands, WhatOnlyReadsOpensNoSession) {
  std::string id = Treadle({"submit", "--type", "echo"}).out;
  id.pop_back();
  const auto sessions = [&] {
    return json::parse(Treadle({"server", "show", "-o", "json"}).out)["sessions"].get<int>();
  };
  const int before = sessions();
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"result", id},
                                             {"task", "wait", id},
                                             {"task", "watch", id},
                                             {"task", "show", id},
                                             {"task", "list"},
                                             {"queue", "list"},
                                             {"worker", "list"},
                                             {"server", "wait"}}) {
    EXPECT_EQ(Treadle(words).exit_code, kOk) << words[1];
  }
  EXPECT_EQ(sessions(), before);
}

TEST_F(Commands, ABatchIsATaskALineAndItsIdsComeInOrder) {
  std::string lines;
  for (int i = 0; i < 500; ++i) {
    lines += "{\"payload\": {\"n\": " + std::to_string(i) + "}}\n\n";
  }
  const Ran ran = Treadle({"submit", "--batch", "-", "--type", "echo"}, lines);
  ASSERT_EQ(ran.exit_code, kOk) << ran.err;
  std::istringstream ids(ran.out);
  std::string id;
  int n = 0;
  for (; std::getline(ids, id); ++n) {
    if (n % 100 != 0) continue;
    EXPECT_EQ(Treadle({"result", id}).out, "{\"n\":" + std::to_string(n) + "}");
  }
  EXPECT_EQ(n, 500);
}

TEST_F(Commands, ABatchsLineHasTheFlagsOfSubmit) {
  const Ran ran = Treadle({"submit", "--batch", "-", "-o", "jsonl"},
                          "{\"type\": \"t\", \"queue\": \"q1\", \"delay\": \"1h\", \"attempts\": "
                          "7, \"header\": {\"a\": "
                          "\"b\"}, \"request_key\": \"k\", \"payload_base64\": \"/wA=\"}\n"
                          "{\"program\": [\"/bin/x\", \"-n\"], \"stdin\": \"in\"}\n");
  ASSERT_EQ(ran.exit_code, kOk) << ran.err;
  const json first = json::parse(ran.out.substr(0, ran.out.find('\n')));
  EXPECT_EQ(first["line"], 1);
  const std::string id = first["task_id"];
  const json task = json::parse(Treadle({"task", "show", id, "-o", "json"}).out);
  EXPECT_EQ(task["queue"], "q1");
  EXPECT_EQ(task["state"], "SCHEDULED");
  EXPECT_EQ(task["max_attempts"], 7);
  EXPECT_EQ(task["request_key"], "k");
  EXPECT_EQ(task["payload_bytes"], 2);
}

TEST_F(Commands, ABatchsErrorsNameTheLine) {
  for (const auto& [line, says] : std::vector<std::pair<std::string, std::string>>{
           {"nonsense", "it is no JSON object"},
           {"{}", "name the task's type, or its program"},
           {R"({"type": "t", "colour": 1})", "'colour' is no field of a task"},
           {R"({"type": "t", "delay": "soon"})", "'soon' is not a duration"},
           {R"({"type": "t", "payload_base64": "?"})", "payload_base64 is not base64"},
           {R"({"type": "t", "program": ["x"]})", "one of the two"},
           {R"({"program": "x"})", "write an array"},
           {R"({"type": "t", "priority": 5})", "priority"}}) {
    const Ran ran = Treadle({"submit", "--batch", "-"}, "{\"type\": \"nobody\"}\n" + line + "\n");
    EXPECT_EQ(ran.exit_code, kUsage) << line;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("standard input:2: "), HasSubstr(says)));
    EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << ran.out;
  }
  Treadle({"queue", "create", "small", "--max-tasks", "1"});
  const Ran full =
      Treadle({"submit", "--batch", "-", "--queue", "small", "--type", "nobody"}, "{}\n{}\n");
  EXPECT_EQ(full.exit_code, kRefused);
  EXPECT_THAT(full.err, HasSubstr("standard input:2: queue 'small' is full"));
}

}  // namespace
}  // namespace treadle::cli
