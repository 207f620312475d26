#include "client/cli/console/json.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/console/human.h"
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
            "\"error\":null,\"attempts\":1,\"finished_at_ms\":1700000000000,"
            "\"finished_at\":\"2023-11-14T22:13:20.000Z\"}\n");
}

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Every field, at every depth, gets a value that is not its default.
void Fill(Message& message) {
  const auto& r = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    const bool list = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        list ? r.AddInt32(&message, field, 7) : r.SetInt32(&message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        list ? r.AddInt64(&message, field, 7) : r.SetInt64(&message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        list ? r.AddUInt64(&message, field, 7) : r.SetUInt64(&message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        list ? r.AddDouble(&message, field, 7) : r.SetDouble(&message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        list ? r.AddBool(&message, field, true) : r.SetBool(&message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        list ? r.AddEnumValue(&message, field, 1) : r.SetEnumValue(&message, field, 1);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        list ? r.AddString(&message, field, "seven") : r.SetString(&message, field, "seven");
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(list ? *r.AddMessage(&message, field) : *r.MutableMessage(&message, field));
        break;
      default:
        FAIL() << field->full_name() << ": teach this test its type";
    }
  }
}

void ExpectAllFields(const Message& message, const Json& json) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message.GetDescriptor()->field(i);
    ASSERT_TRUE(json.contains(field->name())) << field->full_name();
    Json value = json[field->name()];
    if (field->is_map()) {
      EXPECT_EQ(value, (Json{{"seven", "seven"}})) << field->full_name();
      continue;
    }
    if (field->is_repeated()) {
      ASSERT_EQ(value.size(), 1) << field->full_name();
      value = value[0];
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const auto& r = *message.GetReflection();
        ExpectAllFields(field->is_repeated() ? r.GetRepeatedMessage(message, field, 0)
                                             : r.GetMessage(message, field),
                        value);
        break;
      }
      case FieldDescriptor::CPPTYPE_ENUM:
        EXPECT_TRUE(value.is_string() && value != "") << field->full_name();
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        EXPECT_EQ(value, "seven") << field->full_name();
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        EXPECT_EQ(value, true) << field->full_name();
        break;
      default:
        EXPECT_EQ(value, 7) << field->full_name();
    }
  }
}

template <typename T>
class JsonOf : public ::testing::Test {};
using Shown = ::testing::Types<v1::Task, v1::Outcome, v1::Queue, v1::Worker, v1::ServerInfo>;
TYPED_TEST_SUITE(JsonOf, Shown);

TYPED_TEST(JsonOf, HasEveryField) {
  TypeParam message;
  Fill(message);
  const Message& any = message;
  ExpectAllFields(message, ToJson(any));
}

TYPED_TEST(JsonOf, HasEveryFieldAlsoWhenNoneIsSet) {
  const TypeParam message;
  const Json json = ToJson(message);
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    EXPECT_TRUE(json.contains(message.GetDescriptor()->field(i)->name()));
  }
}

TYPED_TEST(JsonOf, RowsOfCsvHaveTheSameColumnsWhateverIsSet) {
  TypeParam full;
  Fill(full);
  const Fields of_full = ToFields(full);
  const Fields of_none = ToFields(TypeParam());
  ASSERT_EQ(of_full.size(), of_none.size());
  for (size_t i = 0; i < of_full.size(); ++i) EXPECT_EQ(of_full[i].first, of_none[i].first);
}

TEST(Json, AMapIsOneCell) {
  v1::Worker worker;
  (*worker.mutable_labels())["zone"] = "a";
  (*worker.mutable_labels())["rack"] = "3";
  const Fields fields = ToFields(worker);
  const auto labels = std::find_if(fields.begin(), fields.end(),
                                   [](const auto& field) { return field.first == "labels"; });
  ASSERT_NE(labels, fields.end());
  EXPECT_EQ(labels->second, "rack=3,zone=a");
}

TEST(Json, NumbersOf64BitsStayNumbers) {
  v1::Queue queue;
  queue.mutable_stats()->set_queued(int64_t{1} << 53);
  EXPECT_TRUE(ToJson(queue)["stats"]["queued"].is_number_integer());
  EXPECT_EQ(ToJson(queue)["stats"]["queued"], int64_t{1} << 53);
}

TEST(Json, ATimeIsAlsoText) {
  v1::Task task;
  task.set_submitted_at_ms(1'700'000'000'123);
  EXPECT_EQ(ToJson(task)["submitted_at_ms"], 1'700'000'000'123);
  EXPECT_EQ(ToJson(task)["submitted_at"], "2023-11-14T22:13:20.123Z");
  EXPECT_TRUE(ToJson(task)["deadline_at"].is_null());
}

TEST(Csv, QuotesWhatWouldBreakALine) {
  EXPECT_EQ(CsvLine({"a", "b,c", "say \"hi\"", "two\nlines", ""}),
            "a,\"b,c\",\"say \"\"hi\"\"\",\"two\nlines\",\n");
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
  EXPECT_TRUE(json["result"].is_null());
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

TEST(Json, AnItemsErrorHasEveryField) {
  v1::Outcome outcome;
  Fill(*outcome.mutable_error());
  const ItemEnd end{"a.txt", "3f-2", ToStatus(ErrorOf(outcome))};
  ExpectAllFields(outcome.error(), ToJson(end)["error"]);
}

TEST(Json, AnErrorsDetailsAreCutForPeople) {
  TaskError error;
  error.type = "Busy";
  error.message = "try later";
  error.retry_after_ms = 90'000;
  error.details = R"({"queue":7})";
  error.details_type = "application/json";
  EXPECT_EQ(Describe(error),
            "task  FAILED: Busy: try later\n"
            "  details: {\"queue\":7} (application/json, 11 B)\n"
            "  it asks not to be tried again before 1m30s have passed");
  error.details.assign(100'000, 'd');
  const std::string described = Describe(error);
  EXPECT_LT(described.size(), 1'200u);
  EXPECT_NE(described.find(" [...] "), std::string::npos);
  EXPECT_NE(described.find("(application/json, 97.7 KiB: -o json)"), std::string::npos)
      << described;
  EXPECT_EQ(DetailsText("\xff", ""), "(1 B: -o json)");
  EXPECT_EQ(Shortened("short"), "short");
  EXPECT_LT(Shortened(error.details).size(), 1'100u);
  std::string lines = "exit status 1:";
  for (int i = 0; i < 100; ++i) absl::StrAppend(&lines, "\n", i);
  const std::string brief = Shortened(lines);
  EXPECT_EQ(brief.substr(0, 25), "exit status 1:\n0\n[...]\n87");
  EXPECT_EQ(std::count(brief.begin(), brief.end(), '\n'), 15);
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
  EXPECT_TRUE(ToJson(task)["stop_reason"].is_null());
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
