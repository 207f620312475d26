#include "client/cli/console/json.h"

#include "client/cli/map/map_output.h"
#include "client/cli/outcome.h"
#include <gtest/gtest.h>

#include "treadle/task_error.h"

namespace treadle::cli {
namespace {

TEST(Json, AnOutcomeWithTextHasItAsText) {
  v1::Outcome outcome;
  outcome.set_task_id("3f-1");
  outcome.set_state(v1::TASK_STATE_SUCCEEDED);
  outcome.set_result("say \"hi\"\n\x01 \\ ż");
  outcome.set_content_type("text/plain");
  outcome.set_attempts(1);
  outcome.set_finished_at_ms(1'700'000'000'000);
  EXPECT_EQ(Line(ToJson(outcome)),
            "{\"task_id\":\"3f-1\",\"state\":\"SUCCEEDED\","
            "\"result\":\"say \\\"hi\\\"\\n\\u0001 \\\\ ż\",\"content_type\":\"text/plain\","
            "\"attempts\":1,\"finished_at_ms\":1700000000000}\n");
}

TEST(Json, AServerSaysForHowLongItsDiskHasNotAnswered) {
  v1::ServerInfo server;
  EXPECT_EQ(ToJson(server)["disk_hung_ms"], 0);
  server.set_disk_hung_ms(12'345);
  EXPECT_EQ(ToJson(server)["disk_hung_ms"], 12'345);
}

TEST(Json, AResultThatIsNotUtf8IsBase64) {
  v1::Outcome outcome;
  outcome.set_state(v1::TASK_STATE_SUCCEEDED);
  outcome.set_result(std::string("\xff\x00\x80", 3));
  const Json json = ToJson(outcome);
  EXPECT_EQ(json["result_base64"], "/wCA");
  EXPECT_FALSE(json.contains("result"));
}

TEST(Json, AFailureHasItsError) {
  v1::Outcome outcome;
  outcome.set_task_id("3f-1");
  outcome.set_state(v1::TASK_STATE_FAILED);
  outcome.mutable_error()->set_type("ExitStatus");
  outcome.mutable_error()->set_message("exit status 2");
  outcome.mutable_error()->set_attempt(3);
  outcome.set_attempts(3);
  const Json json = ToJson(outcome);
  EXPECT_EQ(json["state"], "FAILED");
  EXPECT_EQ(json["error"]["type"], "ExitStatus");
  EXPECT_EQ(json["error"]["attempt"], 3);
  EXPECT_FALSE(json.contains("result"));
}

TEST(Json, TextThatIsNotUtf8NeverBreaksALine) {
  EXPECT_EQ(Line(Json{{"item", "a\xff\n"}}), "{\"item\":\"a\xef\xbf\xbd\\n\"}\n");
}

TEST(Json, AnItemThatBecameATaskAndFailed) {
  TaskError error;
  error.task_id = "3f-2";
  error.type = "WorkerLost";
  error.message = "gone";
  error.worker = "host-1";
  error.attempts = 3;
  const ItemEnd end{"a.txt", "3f-2", ToStatus(error)};
  const Json json = ToJson(end);
  EXPECT_EQ(json["item"], "a.txt");
  EXPECT_EQ(json["task_id"], "3f-2");
  EXPECT_EQ(json["state"], "FAILED");
  EXPECT_EQ(json["error"]["type"], "WorkerLost");
  EXPECT_EQ(json["attempts"], 3);
  EXPECT_EQ(ExitCodeOf(end), ExitCode::kTaskFailed);
  EXPECT_EQ(Describe(end),
            "item 'a.txt': task 3f-2 FAILED after 3 attempts on host-1: WorkerLost: gone");
}

TEST(Json, AnItemThatNeverBecameATask) {
  const ItemEnd end{"b", "", absl::InvalidArgumentError("priority is for PRIORITY queues")};
  EXPECT_EQ(ToJson(end)["state"], "REFUSED");
  EXPECT_EQ(ToJson(end)["error"]["type"], "INVALID_ARGUMENT");
  EXPECT_EQ(ExitCodeOf(end), ExitCode::kUsage);
  EXPECT_EQ(Describe(end), "item 'b': priority is for PRIORITY queues");
}

TEST(Json, ATaskThatIsToStopSaysWhy) {
  v1::Task task;
  task.set_task_id("3f-1");
  task.set_state(v1::TASK_STATE_RUNNING);
  EXPECT_FALSE(ToJson(task).contains("stop_reason"));
  EXPECT_EQ(StateWords(task), "RUNNING");
  task.set_stop_reason(v1::STOP_REASON_ATTEMPT_TIMEOUT);
  EXPECT_EQ(ToJson(task)["stop_reason"], "ATTEMPT_TIMEOUT");
  EXPECT_EQ(StateWords(task), "RUNNING (told to stop: the attempt's time is over)");
  EXPECT_EQ(WaitingLine(task, 80), "3f-1 RUNNING (told to stop: the attempt's time is over)  80ms");
  task.set_stop_reason(v1::STOP_REASON_CANCELLED);
  EXPECT_EQ(StateWords(task), "RUNNING (told to stop: it was cancelled)");
}

TEST(Json, TagsBeginEveryLine) {
  EXPECT_EQ(Tagged("a", "1\n2\n"), "a\t1\na\t2\n");
  EXPECT_EQ(Tagged("a", "no newline"), "a\tno newline\n");
  EXPECT_EQ(Tagged("a", ""), "");
}

}  // namespace
}  // namespace treadle::cli
