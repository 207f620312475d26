#include "client/cli/output_view.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/cli/command_line.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/fake_broker.h"

namespace treadle::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

OutputEntry Entry(OutputKind kind, const std::string& data, int attempt = 1) {
  OutputEntry entry;
  entry.kind = kind;
  entry.data = data;
  entry.attempt = attempt;
  return entry;
}
OutputEntry Log(const std::string& data, int attempt = 1) {
  return Entry(OutputKind::kLog, data, attempt);
}
OutputEntry Error(const std::string& data, int attempt = 1) {
  return Entry(OutputKind::kStandardError, data, attempt);
}
OutputEntry Superseded(OutputEntry entry) {
  entry.superseded = true;
  return entry;
}

struct Printed {
  std::string out;
  std::string err;
};

// Prints entries that follow one another, on a terminal if it has columns.
class OutputView : public ::testing::Test {
 protected:
  Printed Print(std::vector<OutputEntry> entries) {
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Terminal terminal{in, out, err, [this] { return columns_; }};
    Interrupt interrupt;
    Context context{terminal, interrupt};
    context.output = output_;
    context.color = color_;
    OutputPrinter printer(context, timestamps_, 0);
    uint64_t offset = 0;
    for (OutputEntry& entry : entries) {
      entry.offset = std::max(entry.offset, offset);
      offset = entry.offset + 1;
      EXPECT_EQ(printer.Add(entry), ExitCode::kOk);
    }
    EXPECT_EQ(printer.Finish(), ExitCode::kOk);
    return {out.str(), err.str()};
  }
  std::string Out(std::vector<OutputEntry> entries) { return Print(std::move(entries)).out; }

  int columns_ = 0;
  std::string output_ = "table";
  std::string color_ = "never";
  bool timestamps_ = false;
};

TEST_F(OutputView, LogsAreLinesAndStandardErrorIsAsItCame) {
  EXPECT_EQ(Out({Log("one"), Log("two\n"), Error("wa"), Error("rning\nne"), Error("xt")}),
            "one\ntwo\nwarning\nnext");
  columns_ = 80;
  EXPECT_EQ(Out({Error("no end")}), "no end\n");
  EXPECT_EQ(Out({Log(""), Error("")}), "\n");
}

TEST_F(OutputView, ALineThatIsOpenEndsBeforeWhatIsNotItsRest) {
  EXPECT_EQ(Out({Error("half"), Log("log"), Error("rest\n"), Error("x"), Error("y", 2)}),
            "half\nlog\nrest\nx\ny");
}

TEST_F(OutputView, EachAttemptIsAnnounced) {
  const Printed printed = Print({Log("a"), Log("b"), Log("c", 2)});
  EXPECT_EQ(printed.out, "a\nb\nc\n");
  EXPECT_EQ(printed.err,
            "treadle: attempt 1\n"
            "treadle: attempt 2; what attempt 1 said does not count any more\n");
}

TEST_F(OutputView, LinesOfSupersededAttemptsAreMarked) {
  const Printed printed = Print(
      {Superseded(Log("a\nb")), Superseded(Error("c")), Superseded(Error("d\ne")), Log("f", 2)});
  EXPECT_EQ(printed.out, "[attempt 1] a\n[attempt 1] b\n[attempt 1] cd\n[attempt 1] e\nf\n");
  EXPECT_EQ(printed.err, "treadle: attempt 1, superseded by a later one\ntreadle: attempt 2\n");
  columns_ = 80;
  color_ = "always";
  EXPECT_EQ(Out({Superseded(Log("a"))}), "\x1b[2m[attempt 1] a\x1b[0m\n");
}

TEST_F(OutputView, AnAttemptMayBeSupersededWhileItIsRead) {
  const Printed printed = Print({Log("a"), Superseded(Log("b")), Log("c", 2)});
  EXPECT_EQ(printed.out, "a\n[attempt 1] b\nc\n");
  EXPECT_EQ(printed.err,
            "treadle: attempt 1\n"
            "treadle: attempt 1, superseded by a later one\n"
            "treadle: attempt 2\n");
}

TEST_F(OutputView, WhatWasNotKeptIsTold) {
  OutputEntry late = Log("b");
  late.offset = 5;
  EXPECT_EQ(Print({Log("a"), late}).err,
            "treadle: attempt 1\ntreadle: entries that were not kept: 4\n");
}

TEST_F(OutputView, NoticesAndPartsAreShownAsSuch) {
  OutputEntry image = Entry(OutputKind::kPart, std::string("\x89PNG\0", 5));
  image.content_type = "image/png";
  OutputEntry unnamed = Entry(OutputKind::kPart, std::string(2'048, '\0'));
  EXPECT_EQ(Out({Entry(OutputKind::kNotice, "no more of this attempt is kept"),
                 Entry(OutputKind::kPart, "{\"n\": 1}"), image, unnamed}),
            "[notice] no more of this attempt is kept\n{\"n\": 1}\n[5 B of image/png]\n"
            "[2.0 KiB]\n");
}

TEST_F(OutputView, NothingOfATaskReachesATerminalRaw) {
  const std::vector<OutputEntry> entries = {Log("\x1b[2J\ttab\a"), Error("10%\r20%\r\ndone\n"),
                                            Entry(OutputKind::kNotice, "\x1b[0m")};
  EXPECT_EQ(Out(entries), "\x1b[2J\ttab\a\n10%\r20%\r\ndone\n[notice] \x1b[0m\n");
  columns_ = 80;
  EXPECT_EQ(Out(entries), "\\x1b[2J\ttab\\x07\n10%\n20%\ndone\n[notice] \\x1b[0m\n");
}

TEST_F(OutputView, ACharacterMayComeInTwoEntries) {
  columns_ = 80;
  EXPECT_EQ(Out({Error("1 \xe2\x82"), Error("\xac, 2 \xf0\x9f"), Error("\x98\x80\n")}),
            "1 €, 2 😀\n");
  // Without its rest it is no character.
  EXPECT_EQ(Out({Error("\xe2\x82"), Log("log")}), "\\xe2\\x82\nlog\n");
  EXPECT_EQ(Out({Error("x\xe2")}), "x\\xe2\n");
}

TEST_F(OutputView, TimesStandBeforeEachLine) {
  ::setenv("TZ", "UTC", /*overwrite=*/1);
  timestamps_ = true;
  OutputEntry entry = Superseded(Log("a\nb"));
  entry.time_ms = 1'700'000'000'000;
  const std::string out = Out({entry});
  EXPECT_THAT(out, AllOf(HasSubstr(" [attempt 1] a\n"), HasSubstr(" [attempt 1] b\n")));
  EXPECT_THAT(out, StartsWith("2023-11-1"));
}

TEST_F(OutputView, JsonIsAnObjectALine) {
  output_ = "json";
  OutputEntry part = Entry(OutputKind::kPart, "\xff", 2);
  part.time_ms = 1'700'000'000'123;
  part.content_type = "image/png";
  const Printed printed = Print({Superseded(Log("text")), part});
  EXPECT_EQ(printed.out,
            "{\"offset\":0,\"attempt\":1,\"superseded\":true,\"kind\":\"LOG\",\"time_ms\":0,"
            "\"time\":null,\"data\":\"text\",\"content_type\":\"\"}\n"
            "{\"offset\":1,\"attempt\":2,\"superseded\":false,\"kind\":\"PART\","
            "\"time_ms\":1700000000123,\"time\":\"2023-11-14T22:13:20.123Z\","
            "\"data_base64\":\"/w==\",\"content_type\":\"image/png\"}\n");
  EXPECT_THAT(printed.err, IsEmpty());
}

// The command, against a scripted broker.
struct Ran {
  int exit_code;
  std::string out;
  std::string err;
};

Ran Follow(FakeBroker& broker, const std::vector<std::string>& more, Interrupt& interrupt) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal{in, out, err};
  std::vector<std::string> args = {"--broker", broker.address(), "task", "follow", IdOf(3, 1)};
  args.insert(args.end(), more.begin(), more.end());
  const int exit_code = RunCommandLine(args, terminal, interrupt);
  return {exit_code, out.str(), err.str()};
}

Ran Follow(FakeBroker& broker, const std::vector<std::string>& more) {
  Interrupt interrupt;
  return Follow(broker, more, interrupt);
}

// The task says two entries; `ended`: and has ended.
void SayTwo(FakeBroker& broker, bool ended) {
  broker.OnReadOutput([ended](grpc::ServerContext&, const v1::ReadOutputRequest& request,
                              v1::ReadOutputResponse& response) {
    for (uint64_t at = request.offset(); at < 2; ++at) {
      v1::OutputRun& run = *response.add_runs();
      run.set_first_offset(at);
      run.set_attempt(1);
      run.add_entries()->set_kind(v1::OUTPUT_KIND_LOG);
      run.mutable_entries(0)->set_data("line " + std::to_string(at));
    }
    response.set_next_offset(2);
    response.set_end(ended);
    return grpc::Status::OK;
  });
}

TEST(FollowCommand, PrintsAllAndHowTheTaskEnded) {
  FakeBroker broker;
  SayTwo(broker, /*ended=*/true);
  v1::WatchTaskResponse end;
  end.mutable_task()->set_submitted_at_ms(1'000);
  end.mutable_task()->set_finished_at_ms(4'200);
  end.mutable_outcome()->set_task_id(IdOf(3, 1));
  end.mutable_outcome()->set_state(v1::TASK_STATE_SUCCEEDED);
  end.mutable_outcome()->set_attempts(1);
  broker.OnWatchTask(end);
  const Ran ran = Follow(broker, {});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out, "line 0\nline 1\n");
  EXPECT_EQ(ran.err, "treadle: attempt 1\ntreadle: task " + IdOf(3, 1) +
                         " SUCCEEDED after 1 attempt, 3.2s after its submit\n");
  EXPECT_EQ(Follow(broker, {"--from", "1"}).out, "line 1\n");

  end.mutable_outcome()->set_state(v1::TASK_STATE_FAILED);
  end.mutable_outcome()->mutable_error()->set_type("DATA_LOSS");
  end.mutable_outcome()->mutable_error()->set_message("bad thread");
  broker.OnWatchTask(end);
  const Ran failed = Follow(broker, {});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("FAILED after 1 attempt: DATA_LOSS: bad thread\n  3.2s after"));
}

TEST(FollowCommand, WithoutWaitingItEndsWithWhatIsThere) {
  FakeBroker broker;
  SayTwo(broker, /*ended=*/false);
  const Ran ran = Follow(broker, {"--no-wait"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out, "line 0\nline 1\n");
  EXPECT_EQ(ran.err, "treadle: attempt 1\n");
}

TEST(FollowCommand, ATimeoutIsExitCodeFive) {
  FakeBroker broker;
  SayTwo(broker, /*ended=*/false);
  const Ran ran = Follow(broker, {"--timeout", "100ms"});
  EXPECT_EQ(ran.exit_code, 5);
  EXPECT_EQ(ran.out, "line 0\nline 1\n");
  EXPECT_THAT(ran.err, HasSubstr("has not ended within 100ms and goes on"));
}

TEST(FollowCommand, CtrlCEndsItAndNotTheTask) {
  FakeBroker broker;
  std::atomic<bool> asked{false};
  broker.OnReadOutput(
      [&](grpc::ServerContext& context, const v1::ReadOutputRequest&, v1::ReadOutputResponse&) {
        asked = true;
        while (!context.IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return grpc::Status(grpc::StatusCode::CANCELLED, "gone");
      });
  Interrupt interrupt;
  std::thread ctrl_c([&] {
    while (!asked) std::this_thread::yield();
    interrupt.Fire(SIGINT);
  });
  const Ran ran = Follow(broker, {}, interrupt);
  ctrl_c.join();
  EXPECT_EQ(ran.exit_code, 130);
  EXPECT_THAT(ran.err, HasSubstr("interrupted; the task goes on"));
}

TEST(FollowCommand, AWrongFormAndAnUnknownTaskAreRefused) {
  FakeBroker broker;
  EXPECT_EQ(Follow(broker, {"-o", "csv"}).exit_code, 2);
  broker.OnReadOutput(
      [](grpc::ServerContext&, const v1::ReadOutputRequest&, v1::ReadOutputResponse&) {
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such task");
      });
  const Ran ran = Follow(broker, {});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_THAT(ran.err, HasSubstr("no such task"));
}

}  // namespace
}  // namespace treadle::cli
