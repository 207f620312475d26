#include "worker/exec/exec_handler.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "proto/task/exec_task.h"
#include "tests/support/sanitized.h"
#include "tests/worker/pool/recording_events.h"
#include "treadle/codec.h"

namespace treadle::worker {
namespace {

using test::kSanitized;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ExecHandlerTest : public ::testing::Test {
 protected:
  ExecHandlerTest() { options_.output_bytes_max = 100'000; }

  AttemptResult RunHeader(const std::string& program, const std::optional<std::string>& header,
                          std::string input = {}) {
    AttemptInfo info;
    info.type = *exec::TypeOf(program);
    info.attempt = 2;
    if (header) info.headers[std::string(exec::kArgumentsHeader)] = *header;
    attempt_ = std::make_shared<Attempt>(AttemptId{"3f-1k9", 1}, std::move(info), std::move(input));
    if (stop_ != StopReason::kNone) attempt_->RequestStop(stop_);
    options_.program = program;
    Handlers handlers;
    handlers.Add(attempt_->info().type, ExecHandler(options_));
    return RunHandler(handlers, *attempt_, events_);
  }
  AttemptResult RunArgv(const std::vector<std::string>& argv, std::string input = {}) {
    return RunHeader(argv.front(), *exec::EncodeArguments({argv.begin() + 1, argv.end()}),
                     std::move(input));
  }

  ExecOptions options_;
  StopReason stop_ = StopReason::kNone;
  AttemptPtr attempt_;
  RecordingEvents events_;
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
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.bytes, "");
}

TEST_F(ExecHandlerTest, WhatAFailedProgramWroteIsKeptBesideItsError) {
  const AttemptResult failed = RunArgv({"/bin/sh", "-c", "echo found; echo lost >&2; exit 1"});
  EXPECT_EQ(failed.end, AttemptEnd::kFailed);
  EXPECT_EQ(failed.bytes, "found\n");
  EXPECT_EQ(failed.content_type, kBytesContentType);
  EXPECT_EQ(failed.error_message, "exit status 1: lost\n");
  const AttemptResult killed = RunArgv({"/bin/sh", "-c", "echo half; kill -KILL $$"});
  EXPECT_EQ(killed.bytes, "half\n");
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_FALSE(killed.exit_code.has_value());
}

TEST_F(ExecHandlerTest, StandardErrorIsToldWhileTheProgramRuns) {
  std::thread handler([this] {
    EXPECT_EQ(RunArgv({"/bin/sh", "-c", "echo begun >&2; exec sleep 600"}).end,
              AttemptEnd::kStopped);
  });
  EXPECT_TRUE(events_.WaitForOutput(1));
  EXPECT_EQ(events_.output(1)[0].kind, OutputKind::kStandardError);
  EXPECT_EQ(events_.output(1)[0].data, "begun\n");
  attempt_->RequestStop(StopReason::kCancelled);
  handler.join();
}

TEST_F(ExecHandlerTest, AProgramWaitsForRoomForWhatItSays) {
  events_.FillUp();
  std::thread handler([this] {
    const AttemptResult result =
        RunArgv({"/bin/sh", "-c", "head -c 1000000 /dev/zero >&2; echo out; echo end >&2; exit 1"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.bytes, "out\n");
    EXPECT_THAT(result.error_message, HasSubstr("end"));
  });
  EXPECT_TRUE(events_.WaitForRefused(2));
  events_.MakeRoom();
  handler.join();
  std::string said;
  for (const OutputEntry& entry : events_.output(1)) said += entry.data;
  EXPECT_EQ(said, std::string(1'000'000, '\0') + "end\n");
}

TEST_F(ExecHandlerTest, AProgramThatWaitsForRoomCanBeStopped) {
  events_.FillUp();
  std::thread handler([this] {
    EXPECT_EQ(RunArgv({"/bin/sh", "-c", "while echo more; do :; done >&2"}).end,
              AttemptEnd::kStopped);
  });
  EXPECT_TRUE(events_.WaitForRefused(2));
  attempt_->RequestStop(StopReason::kCancelled);
  handler.join();
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

TEST_F(ExecHandlerTest, AProgramNeedsNoArguments) {
  EXPECT_EQ(RunHeader("/bin/cat", std::nullopt, "as it is").bytes, "as it is");
  EXPECT_EQ(RunHeader("/bin/cat", "[]", "as it is").bytes, "as it is");
}

TEST_F(ExecHandlerTest, ArgumentsThatCannotBeReadAreRefused) {
  for (const std::string header : {"", "nonsense", "[1]", "{}", "[\"-n\", 7]", "\"-n\""}) {
    const AttemptResult result = RunHeader("/bin/cat", header);
    EXPECT_EQ(result.error_type, "BadArguments") << header;
    EXPECT_THAT(result.error_message, HasSubstr("exec.args"));
    EXPECT_TRUE(result.permanent);
  }
}

TEST_F(ExecHandlerTest, WithoutRoomForItTheTaskIsHandedBackAndTheLogSaysWhy) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's checks open descriptors of their own";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  std::string log;
  options_.log = [&log](LogLevel, std::string_view line) { log = line; };
  options_.room_wait = std::chrono::milliseconds(1);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const AttemptResult result = RunArgv({"/bin/cat"}, "x");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(result.end, AttemptEnd::kReleased);
  EXPECT_THAT(log, AllOf(HasSubstr("task 3f-1k9"), HasSubstr("Too many open files"),
                         HasSubstr("--concurrency")));
}

TEST_F(ExecHandlerTest, AProgramWaitsForRoom) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's checks open descriptors of their own";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  options_.room_wait = std::chrono::hours(1);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::jthread giver([&] {
    // It has looked in vain once at least.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ::setrlimit(RLIMIT_NOFILE, &before);
  });
  EXPECT_EQ(RunArgv({"/bin/cat"}, "x").bytes, "x");
}

TEST_F(ExecHandlerTest, ArgumentsThatAreTooLongForTheSystemAreNotTriedAgain) {
  const std::string header = "[\"" + std::string(1 << 20, 'x') + "\"]";
  const AttemptResult result = RunHeader("/bin/cat", header);
  EXPECT_EQ(result.error_type, "ExecFailed");
  EXPECT_THAT(result.error_message, HasSubstr("Argument list too long"));
  EXPECT_TRUE(result.permanent);
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
  EXPECT_EQ(CheckAllowed({"/" + std::string(250, 'x')}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckAllowed({""}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckAllowed({"/bin/cat", "/nowhere"}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CheckAllowed({"/etc/passwd"}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(CheckAllowed({"/bin"}).code(), absl::StatusCode::kPermissionDenied);
  // One more than a worker may tell the broker of, beside echo.
  const std::vector<std::string> many(limits::kPoolTypesMax, "/bin/cat");
  EXPECT_EQ(CheckAllowed(many).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(CheckAllowed({many.begin() + 1, many.end()}).ok());
}

}  // namespace
}  // namespace treadle::worker
