#include "client/exec_task.h"

#include <gtest/gtest.h>

namespace treadle {
namespace {

TEST(ExecTask, ArgvTravelsAsAJsonArray) {
  const std::vector<std::string> argv = {"/usr/bin/wc", "-w", "wörp \"x\""};
  const absl::StatusOr<std::string> header = EncodeArgv(argv);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(*header, "[\"/usr/bin/wc\",\"-w\",\"wörp \\\"x\\\"\"]");
  EXPECT_EQ(*DecodeArgv(*header), argv);
}

TEST(ExecTask, BadArgvIsRefused) {
  const auto code = [](const std::vector<std::string>& argv) {
    return EncodeArgv(argv).status().code();
  };
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({""}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"/bin/echo", "\xff"}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"/bin/echo", std::string("a\0b", 3)}), absl::StatusCode::kInvalidArgument);
}

TEST(ExecTask, BadHeaderIsRefused) {
  for (const char* header : {"", "wc", "{}", "[]", "[\"\"]", "[1]", "[\"/bin/echo\",1]",
                             "[\"/bin/echo\",\"a\\u0000b\"]", "[\"/bin/echo\""}) {
    EXPECT_EQ(DecodeArgv(header).status().code(), absl::StatusCode::kInvalidArgument) << header;
  }
}

TEST(ExecTask, ExitStatusTellsWhy) {
  EXPECT_EQ(ExitStatusMessage(2, "wc: nothing: No such file"),
            "exit status 2: wc: nothing: No such file");
  EXPECT_EQ(ExitStatusMessage(1, ""), "exit status 1");
}

}  // namespace
}  // namespace treadle
