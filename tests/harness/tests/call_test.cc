#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "tests/support/with_broker.h"
#include "treadle/coroutine.h"

namespace treadle::testing {
namespace {

using test::kPatience;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr TaskType<int64_t(int64_t)> kDouble{"double"};
constexpr TaskType<std::string(std::string)> kFail{"fail"};
constexpr TaskType<void()> kWait{"wait"};
constexpr TaskType<std::string()> kAbout{"about"};
constexpr TaskType<int64_t(int64_t)> kLater{"later"};

std::string Fail(TaskContext&, const std::string& how) {
  if (how == "throw") throw std::runtime_error("it broke");
  throw PermanentError("BadInput", "never again");
}

asio::awaitable<int64_t> Later(TaskContext&, int64_t n) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(1ms);
  co_await timer.async_wait(asio::use_awaitable);
  co_return n + 1;
}

class CallTest : public ::testing::Test {
 protected:
  CallTest() {
    worker_.Handle(kDouble, [](TaskContext&, int64_t n) -> absl::StatusOr<int64_t> {
      if (n < 0) return absl::NotFoundError("no such number");
      return 2 * n;
    });
    worker_.Handle(kFail, Fail);
    worker_.Handle(kWait, [](TaskContext& context) {
      context.ReportProgress(0.5, "waiting");
      while (context.SleepFor(1h)) continue;
    });
    worker_.Handle(kAbout, [](TaskContext& context) {
      std::string about = context.task_id() + " " + context.queue() + " " +
                          std::to_string(context.attempt()) + "/" +
                          std::to_string(context.max_attempts());
      for (const auto& [key, value] : context.headers()) about += " " + key + "=" + value;
      return about;
    });
    worker_.Handle(kLater, Later);
  }

  Worker worker_{WorkerOptions()};
};

TEST_F(CallTest, GivesTheResult) { EXPECT_EQ(Call(worker_, kDouble, 4).value(), 8); }

TEST_F(CallTest, RunsACoroutine) { EXPECT_EQ(Call(worker_, kLater, 4).value(), 5); }

TEST_F(CallTest, TellsWhatTheTaskIs) {
  CallOptions options;
  options.task_id = "t-7";
  options.queue = "mail";
  options.attempt = 2;
  options.max_attempts = 5;
  options.headers = {{"trace", "x"}};
  EXPECT_EQ(Call(worker_, options, kAbout).value(), "t-7 mail 2/5 trace=x");
}

TEST_F(CallTest, AStatusKeepsItsCode) {
  const absl::Status status = Call(worker_, kDouble, -1).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(GetTaskError(status).value().type, "NOT_FOUND");
  EXPECT_EQ(GetTaskError(status).value().message, "no such number");
  EXPECT_FALSE(GetTaskError(status).value().permanent);
}

TEST_F(CallTest, AnExceptionHasItsTypesName) {
  const absl::Status status = Call(worker_, kFail, "throw").status();
  EXPECT_TRUE(absl::IsUnknown(status)) << status;
  EXPECT_EQ(GetTaskError(status).value().type, "std::runtime_error");
  const absl::Status permanent = Call(worker_, kFail, "permanent").status();
  EXPECT_EQ(GetTaskError(permanent).value().type, "BadInput");
  EXPECT_TRUE(GetTaskError(permanent).value().permanent);
}

TEST_F(CallTest, ArgumentsThatCannotBeDecodedFailForGood) {
  constexpr TaskType<int64_t(std::string)> kMistaken{"double"};
  const absl::Status status = Call(worker_, kMistaken, "four").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(GetTaskError(status).value().permanent);
}

TEST_F(CallTest, ATypeWithoutAHandlerIsUnimplemented) {
  constexpr TaskType<void()> kNobodys{"nobody's"};
  const absl::Status status = Call(worker_, kNobodys);
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
}

TEST_F(CallTest, StopsAsItsReasonSays) {
  CallOptions options;
  options.stop = StopReason::kCancelled;  // before it begins
  EXPECT_TRUE(absl::IsCancelled(Call(worker_, options, kWait)));
  options.stop_after = 1ms;  // while it runs
  EXPECT_TRUE(absl::IsCancelled(Call(worker_, options, kWait)));
  options.stop = StopReason::kLeaseLost;
  const absl::Status lost = Call(worker_, options, kWait);
  EXPECT_TRUE(absl::IsAborted(lost)) << lost;
  EXPECT_FALSE(GetTaskError(lost).has_value());
}

TEST_F(CallTest, TimesOut) {
  CallOptions options;
  options.attempt_timeout = 1ms;
  const absl::Status timeout = Call(worker_, options, kWait);
  EXPECT_TRUE(absl::IsDeadlineExceeded(timeout)) << timeout;
  EXPECT_EQ(GetTaskError(timeout).value().type, "AttemptTimeout");
  options.attempt_timeout = 0ms;
  options.deadline = 1ms;
  const absl::Status expired = Call(worker_, options, kWait);
  EXPECT_EQ(GetTaskError(expired).value().end, TaskEnd::kExpired);
}

TEST_F(CallTest, ShowsProgress) {
  std::vector<std::pair<double, std::string>> progress;
  CallOptions options;
  options.stop = StopReason::kCancelled;
  options.on_progress = [&](double fraction, std::string_view message) {
    progress.emplace_back(fraction, message);
  };
  Call(worker_, options, kWait).IgnoreError();
  EXPECT_THAT(progress, ElementsAre(Pair(0.5, "waiting")));
}

TEST_F(CallTest, ShowsOutput) {
  constexpr TaskType<int64_t()> kTalk{"talk"};
  worker_.Handle(kTalk, [](TaskContext& context) {
    context.Log("a line");
    context.Emit(int64_t{7});
    context.LogStandardError("an error");
    return int64_t{8};
  });
  EXPECT_EQ(Call(worker_, kTalk).value(), 8) << "nobody need listen";
  std::vector<std::string> logged;
  std::vector<Payload> parts;
  CallOptions options;
  options.on_log = [&](std::string_view text) { logged.emplace_back(text); };
  options.on_part = [&](Payload part) { parts.push_back(std::move(part)); };
  EXPECT_EQ(Call(worker_, options, kTalk).value(), 8);
  EXPECT_THAT(logged, ElementsAre("a line", "an error"));
  EXPECT_THAT(parts, ElementsAre(Payload("7", kJsonContentType)));
}

// What the future gives, Call gives: every way to end, by a broker and in place.
TEST_F(CallTest, EndsAsAFutureDoes) {
  const auto broker = test::StartBroker();
  LocalWorker worker(*broker, "cpu");
  worker->Handle(kFail, Fail);
  worker->Handle(kDouble, [](TaskContext&, int64_t n) -> absl::StatusOr<int64_t> {
    if (n < 0) return absl::NotFoundError("no such number");
    return 2 * n;
  });
  worker.Start();
  const Executor executor(broker->client(), ExecutorOptions("cpu"));
  SubmitOptions once;
  once.max_attempts = 1;
  const auto same = [](const absl::Status& by_broker, const absl::Status& in_place) {
    EXPECT_EQ(by_broker.code(), in_place.code());
    const TaskError far = GetTaskError(by_broker).value();
    const TaskError near = GetTaskError(in_place).value();
    EXPECT_EQ(far.type, near.type);
    EXPECT_EQ(far.message, near.message);
    EXPECT_EQ(far.end, near.end);
    EXPECT_EQ(far.attempt, near.attempt);
    EXPECT_EQ(far.attempts, near.attempts);
    EXPECT_EQ(far.permanent, near.permanent);
  };
  for (const std::string how : {"throw", "permanent"}) {
    SCOPED_TRACE(how);
    same(executor.Submit(once, kFail, how).Wait(kPatience), Call(worker_, kFail, how).status());
  }
  same(executor.Submit(once, kDouble, -1).Wait(kPatience), Call(worker_, kDouble, -1).status());
  constexpr TaskType<int64_t(std::string)> kMistaken{"double"};
  same(executor.Submit(once, kMistaken, "x").Wait(kPatience),
       Call(worker_, kMistaken, "x").status());
}

}  // namespace
}  // namespace treadle::testing
