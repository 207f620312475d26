#include "worker/exec/exec_handler.h"

#include <memory>
#include <string>
#include <utility>

#include "client/codec.h"
#include "client/exec_task.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/recording_events.h"

namespace treadle::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ExecHandlerTest : public ::testing::Test {
 protected:
  ExecHandlerTest() {
    options_.allowed = {"/bin/cat", "/bin/sh"};
    options_.output_bytes_max = 100'000;
  }

  AttemptResult RunHeader(const std::string& header, std::string input = {}) {
    AttemptInfo info;
    info.task_id = "3f-1k9";
    info.type = "exec";
    info.attempt = 2;
    if (!header.empty()) info.headers[std::string(kExecArgvHeader)] = header;
    attempt_ = std::make_shared<Attempt>(std::move(info), std::move(input));
    if (stop_ != StopReason::kNone) attempt_->RequestStop(stop_);
    Handlers handlers;
    handlers.Add("exec", ExecHandler(options_));
    RecordingEvents events;
    return RunHandler(handlers, *attempt_, events);
  }
  AttemptResult RunArgv(const std::vector<std::string>& argv, std::string input = {}) {
    return RunHeader(*EncodeArgv(argv), std::move(input));
  }

  ExecOptions options_;
  StopReason stop_ = StopReason::kNone;
  AttemptPtr attempt_;
};

TEST_F(ExecHandlerTest, StandardOutputIsTheResult) {
  const AttemptResult result = RunArgv({"/bin/cat", "-n"}, "a\nb\n");
  EXPECT_EQ(result.end, AttemptEnd::kSucceeded);
  EXPECT_EQ(result.bytes, "     1\ta\n     2\tb\n");
  EXPECT_EQ(result.content_type, kBytesContentType);
}

TEST_F(ExecHandlerTest, AnotherStatusThanZeroIsAnError) {
  const AttemptResult result = RunArgv({"/bin/sh", "-c", "echo no such row >&2; exit 3"});
  EXPECT_EQ(result.end, AttemptEnd::kFailed);
  EXPECT_EQ(result.error_type, "ExitStatus");
  EXPECT_EQ(result.error_message, "exit status 3: no such row\n");
  EXPECT_FALSE(result.permanent);
}

TEST_F(ExecHandlerTest, ASignalIsAnError) {
  const AttemptResult result = RunArgv({"/bin/sh", "-c", "kill -SEGV $$"});
  EXPECT_EQ(result.error_type, "Signal");
  EXPECT_THAT(result.error_message, HasSubstr("was ended by SIGSEGV"));
  // 34 is the first that programs may use as they like, and has no name.
  EXPECT_THAT(RunArgv({"/bin/sh", "-c", "kill -34 $$"}).error_message,
              HasSubstr("was ended by signal 34"));
}

TEST_F(ExecHandlerTest, TooMuchOutputIsAnError) {
  const AttemptResult result = RunArgv({"/bin/sh", "-c", "yes"});
  EXPECT_EQ(result.error_type, "OutputTooLarge");
  EXPECT_THAT(result.error_message, HasSubstr("100000 bytes"));
  EXPECT_TRUE(result.permanent);
}

TEST_F(ExecHandlerTest, OnlyWhatIsOnTheListRuns) {
  for (const std::string program : {"/usr/bin/id", "cat", "/bin/../bin/cat", "/bin/cat ", "/bin"}) {
    const AttemptResult result = RunArgv({program});
    EXPECT_EQ(result.error_type, "ProgramNotAllowed") << program;
    EXPECT_THAT(result.error_message,
                AllOf(HasSubstr("'" + program + "'"), HasSubstr("/bin/cat, /bin/sh")));
    EXPECT_TRUE(result.permanent);
  }
}

TEST_F(ExecHandlerTest, ATaskWithoutProgramIsRefused) {
  for (const std::string header :
       {"", "nonsense", "[]", "[1]", "{}", "[\"\"]", "[\"/bin/cat\", 7]"}) {
    const AttemptResult result = RunHeader(header);
    EXPECT_EQ(result.error_type, "ProgramNotAllowed") << header;
    EXPECT_TRUE(result.permanent);
  }
}

TEST_F(ExecHandlerTest, TheProgramKnowsItsTask) {
  EXPECT_EQ(RunArgv({"/bin/sh", "-c", "echo $TREADLE_TASK_ID $TREADLE_ATTEMPT"}).bytes,
            "3f-1k9 2\n");
}

TEST_F(ExecHandlerTest, AStoppedProgramIsAStoppedAttemptWhateverItReturned) {
  stop_ = StopReason::kCancelled;
  EXPECT_EQ(RunArgv({"/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.01; done"}).end,
            AttemptEnd::kStopped);
}

TEST_F(ExecHandlerTest, AProgramThatOverranItsTimeoutHasTimedOut) {
  stop_ = StopReason::kAttemptTimeout;
  EXPECT_EQ(RunArgv({"/bin/sh", "-c", "sleep 1000"}).error_type, "AttemptTimeout");
}

TEST(CheckAllowed, TakesAbsolutePathsOfProgramsOnly) {
  EXPECT_TRUE(CheckAllowed({}).ok());
  EXPECT_TRUE(CheckAllowed({"/bin/cat", "/usr/bin/wc"}).ok());
  EXPECT_EQ(CheckAllowed({"cat"}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckAllowed({""}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckAllowed({"/bin/cat", "/nowhere"}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CheckAllowed({"/etc/passwd"}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(CheckAllowed({"/bin"}).code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace treadle::worker
