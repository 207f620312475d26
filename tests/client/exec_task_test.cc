#include "treadle/exec_task.h"

#include <gtest/gtest.h>

#include "proto/task/exec_task.h"

namespace treadle {
namespace {

TEST(ExecTask, TheProgramIsPartOfTheType) {
  EXPECT_EQ(*exec::TypeOf("/usr/bin/wc"), "exec:/usr/bin/wc");
  EXPECT_EQ(exec::TypeOf("/" + std::string(249, 'x'))->size(), 255);
}

TEST(ExecTask, AProgramThatNoWorkerCouldAllowIsRefused) {
  for (const std::string& program :
       {std::string(), std::string("wc"), std::string("./wc"), std::string("/bin/\xff"),
        std::string("/bin/a\nb"), std::string("/a\0b", 4), "/" + std::string(250, 'x')}) {
    EXPECT_EQ(exec::TypeOf(program).status().code(), absl::StatusCode::kInvalidArgument) << program;
  }
}

TEST(ExecTask, ArgumentsTravelAsAJsonArray) {
  const std::vector<std::string> arguments = {"-w", "wörp \"x\""};
  const absl::StatusOr<std::string> header = exec::EncodeArguments(arguments);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(*header, "[\"-w\",\"wörp \\\"x\\\"\"]");
  EXPECT_EQ(*exec::DecodeArguments(*header), arguments);
}

TEST(ExecTask, AProgramIsPutIntoATask) {
  SubmitOptions options;
  EXPECT_EQ(*PutProgram({"/bin/date"}, options), "exec:/bin/date");
  EXPECT_TRUE(options.headers.empty());
  EXPECT_EQ(*PutProgram({"/bin/date", "+%Y"}, options), "exec:/bin/date");
  EXPECT_EQ(options.headers.at("exec.args"), "[\"+%Y\"]");
}

TEST(ExecTask, ArgumentsThatCannotTravelAreRefused) {
  const auto code = [](const std::vector<std::string>& argv) {
    SubmitOptions options;
    return PutProgram(argv, options).status().code();
  };
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({""}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"/bin/echo", "\xff"}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"/bin/echo", std::string("a\0b", 3)}), absl::StatusCode::kInvalidArgument);
}

TEST(ExecTask, TooLongArgumentsAreRefusedInTheWordsOfWhoGaveThem) {
  const absl::Status status = exec::EncodeArguments({std::string(20'000, 'x')}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("the arguments take 20004 bytes"), std::string::npos) << status;
}

TEST(ExecTask, BadHeaderIsRefused) {
  for (const char* header : {"", "wc", "{}", "[1]", "[\"-n\",1]", "[\"a\\u0000b\"]", "[\"-n\""}) {
    EXPECT_EQ(exec::DecodeArguments(header).status().code(), absl::StatusCode::kInvalidArgument)
        << header;
  }
}

TEST(ExecTask, ExitStatusTellsWhy) {
  EXPECT_EQ(exec::ExitStatusMessage(2, "wc: nothing: No such file"),
            "exit status 2: wc: nothing: No such file");
  EXPECT_EQ(exec::ExitStatusMessage(1, ""), "exit status 1");
}

}  // namespace
}  // namespace treadle
