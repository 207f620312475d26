#include "worker/pool/process/process_pool.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/sanitized.h"
#include "tests/worker/pool/recording_events.h"
#include "tests/worker/pool/stage.h"
#include "worker/pool/process/file_descriptor.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using test::kSanitized;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

AttemptPtr LargeAttempt(uint64_t token, size_t bytes) {
  std::string payload(bytes, '\0');
  for (size_t i = 0; i < bytes; i += 4096) payload[i] = static_cast<char>(i / 4096 * 31 + token);
  return NewAttempt(token, "echo", std::move(payload));
}

class ProcessPoolTest : public ::testing::Test {
 protected:
  ProcessPoolTest() {
    AddStageHandlers(*handlers_, stage_);
    options_.waiting_max = 20'000;
    ::unsetenv("TREADLE_TEST_CHILD");
  }
  ~ProcessPoolTest() override { ::unsetenv("TREADLE_TEST_CHILD"); }

  void Start() { pool_ = *ProcessPool::Start(options_, handlers_, events_); }
  // Runs one attempt to its end.
  AttemptResult Run(const AttemptPtr& attempt) {
    std::vector<AttemptPtr> attempts = {attempt};
    const size_t before = events_->ended().size();
    EXPECT_EQ(pool_->Submit(attempts), 1);
    EXPECT_TRUE(events_->WaitForEnded(before + 1));
    return events_->result(attempt->token());
  }
  AttemptResult Run(const std::string& type) { return Run(NewAttempt(++token_, type)); }
  size_t Submit(std::vector<AttemptPtr> attempts) { return pool_->Submit(attempts); }
  std::vector<std::string> Said(uint64_t token) {
    std::vector<std::string> said;
    for (OutputEntry& entry : events_->output(token)) said.push_back(std::move(entry.data));
    return said;
  }
  // Which process the pool's one child is.
  pid_t ChildId() {
    Run("mark");
    return static_cast<pid_t>(stage_->process);
  }

  const std::shared_ptr<Stage> stage_ = Stage::New();
  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
  const std::shared_ptr<RecordingEvents> events_ = std::make_shared<RecordingEvents>();
  ProcessPoolOptions options_;
  std::unique_ptr<ProcessPool> pool_;
  uint64_t token_ = 1'000'000;
};

TEST_F(ProcessPoolTest, HandlersRunInAnotherProcess) {
  Start();
  const pid_t child = ChildId();
  EXPECT_NE(child, ::getpid());
  EXPECT_EQ(ChildId(), child) << "one child runs many attempts";
  EXPECT_EQ(stage_->marks, 2);
}

TEST_F(ProcessPoolTest, AChildThatDiesCostsItsOwnAttemptAndIsReplaced) {
  Start();
  const auto expect = [this](const char* type, const char* error, const char* text,
                             std::optional<int32_t> code, std::optional<int32_t> signal) {
    const AttemptResult result = Run(type);
    EXPECT_EQ(result.end, AttemptEnd::kFailed) << type;
    EXPECT_EQ(result.error_type, error) << type;
    EXPECT_THAT(result.error_message, HasSubstr(text)) << type;
    EXPECT_EQ(result.exit_code, code) << type;
    EXPECT_EQ(result.signal, signal) << type;
    EXPECT_FALSE(result.permanent);
    EXPECT_EQ(Run(NewAttempt(++token_, "echo", "next")).bytes, "next") << "after " << type;
  };
  if (!kSanitized) expect("segfault", "Signal", "was ended by SIGSEGV", {}, SIGSEGV);
  expect("abort", "Signal", "was ended by SIGABRT", {}, SIGABRT);
  expect("kill", "Signal", "was ended by SIGKILL, which this worker did not send", {}, SIGKILL);
  expect("exit", "ExitStatus", "ended with exit code 3 before it returned", 3, {});
}

TEST_F(ProcessPoolTest, AFailureComesWholeOutOfItsChild) {
  Start();
  const std::string details(200'000, 'd');
  const AttemptResult result = Run(NewAttempt(++token_, "fail_at_length", details));
  EXPECT_EQ(result.error_type, "Busy");
  EXPECT_EQ(result.error_message, "try later");
  EXPECT_EQ(result.bytes, details);
  EXPECT_EQ(result.content_type, "text/plain");
  EXPECT_EQ(result.exit_code, -1);
  EXPECT_EQ(result.signal, 9);
  EXPECT_EQ(result.retry_after_ms, 0);
  EXPECT_FALSE(Run("abort").retry_after_ms.has_value());
}

TEST_F(ProcessPoolTest, OutputComesWholeAndAChildWithoutRoomForItHoldsUpNoOther) {
  options_.slots = 2;
  events_->FillUp();
  Start();
  ASSERT_EQ(Submit({NewAttempt(1, "say_much")}), 1);
  ASSERT_TRUE(events_->WaitForRefused(1));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
  events_->MakeRoom();
  ASSERT_TRUE(events_->WaitForEnded(11));
  EXPECT_EQ(events_->result(1).bytes, "said");
  EXPECT_TRUE(Said(1) == MuchSaid());
}

TEST_F(ProcessPoolTest, WhatAChildSaidBeforeItDiedIsHeard) {
  events_->FillUp();
  Start();
  ASSERT_EQ(Submit({NewAttempt(1, "say_and_abort")}), 1);
  ASSERT_TRUE(events_->WaitForRefused(1));
  events_->MakeRoom();
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).error_type, "Signal");
  EXPECT_TRUE(Said(1) == MuchSaid());
}

TEST_F(ProcessPoolTest, WhatADeadChildSaidWaitsForRoom) {
  Start();
  const pid_t child = ChildId();
  events_->FillUp();
  ASSERT_EQ(Submit({NewAttempt(1, "say_much")}), 1);
  ASSERT_TRUE(events_->WaitForRefused(1));
  ::kill(child, SIGKILL);
  ASSERT_TRUE(WaitUntil([&] { return ::kill(child, 0) != 0; })) << "it is not reaped";
  EXPECT_THAT(events_->ended(), ElementsAre(1'000'001));
  events_->MakeRoom();
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_EQ(events_->result(1).signal, SIGKILL);
  const std::vector<std::string> said = Said(1);
  const std::vector<std::string> all = MuchSaid();
  ASSERT_GE(said.size(), 1);
  ASSERT_LT(said.size(), all.size());
  EXPECT_TRUE(std::equal(said.begin(), said.end(), all.begin()));
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded) << "another child has its place";
}

TEST_F(ProcessPoolTest, AChildThatIsKilledBetweenTwoTasksCostsNothing) {
  Start();
  const pid_t child = ChildId();
  ::kill(child, SIGKILL);
  // Whether the pool has noticed or not.
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
  ASSERT_TRUE(events_->WaitForWarnings(0));
  EXPECT_NE(ChildId(), child);
}

// Whether the pool's thread sleeps, seen often enough to be no accident.
bool PoolSleeps() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    if (name != "process-pool") continue;
    for (int i = 0; i < 20; ++i) {
      std::string stat;
      std::getline(std::ifstream(task.path() / "stat"), stat);
      if (stat.find(") S ") == std::string::npos) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }
  return false;
}

TEST_F(ProcessPoolTest, AChildIsForgottenThoughOthersHoldCopiesOfItsDescriptors) {
  Start();
  const pid_t child = ChildId();
  // As a thread has them that is about to start a program.
  std::vector<int> numbers;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) {
    numbers.push_back(std::stoi(file.path().filename()));
  }
  std::vector<FileDescriptor> copies;
  for (const int number : numbers) copies.emplace_back(::fcntl(number, F_DUPFD_CLOEXEC, 0));
  ::kill(child, SIGKILL);
  ASSERT_TRUE(events_->WaitForWarnings(0));
  EXPECT_NE(ChildId(), child);
  EXPECT_TRUE(WaitUntil(PoolSleeps)) << "it hears of the dead child for ever";
}

TEST_F(ProcessPoolTest, AnAttemptThatItsChildNeverBeganIsRunByAnother) {
  Start();
  const pid_t child = ChildId();
  ::kill(child, SIGSTOP);
  const AttemptPtr attempt = NewAttempt(++token_, "echo", "payload");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForBegun(2));
  ::kill(child, SIGKILL);
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_EQ(events_->result(attempt->token()).bytes, "payload");
  EXPECT_EQ(events_->begun().size(), 2) << "its start is told once";
}

TEST_F(ProcessPoolTest, WhatDoesNotStopIsTerminated) {
  options_.terminate_after = milliseconds(1);
  Start();
  const AttemptPtr attempt = NewAttempt(1, "spin");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  pool_->Stop(attempt, StopReason::kAttemptTimeout);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).error_type, "AttemptTimeout");
  EXPECT_THAT(events_->result(1).error_message, HasSubstr("was ended by SIGTERM"));
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
}

TEST_F(ProcessPoolTest, WhatIgnoresSigtermIsKilled) {
  options_.terminate_after = milliseconds(1);
  options_.kill_after = milliseconds(20);
  Start();
  const AttemptPtr attempt = NewAttempt(1, "stubborn");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  pool_->Stop(attempt, StopReason::kCancelled);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kStopped);
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
}

TEST_F(ProcessPoolTest, ASignalNeverHitsTheNextAttempt) {
  // Each is told to stop about when it ends; the next one is never the one that is hit.
  options_.terminate_after = milliseconds(0);
  options_.kill_after = milliseconds(0);
  options_.slots = 2;
  Start();
  constexpr uint64_t kAttempts = 300;
  for (uint64_t token = 1; token <= kAttempts; ++token) {
    const AttemptPtr stopped = NewAttempt(token, "echo");
    const AttemptPtr bystander = NewAttempt(kAttempts + token, "echo", "fine");
    ASSERT_EQ(Submit({stopped, bystander}), 2);
    pool_->Stop(stopped, StopReason::kCancelled);
  }
  ASSERT_TRUE(events_->WaitForEnded(2 * kAttempts));
  for (uint64_t token = kAttempts + 1; token <= 2 * kAttempts; ++token) {
    ASSERT_EQ(events_->result(token).bytes, "fine") << events_->result(token).error_message;
  }
}

TEST_F(ProcessPoolTest, LargePayloadsAndResultsTravel) {
  options_.slots = 2;
  Start();
  std::vector<AttemptPtr> attempts;
  std::vector<std::string> expected;
  for (uint64_t token = 1; token <= 6; ++token) {
    attempts.push_back(LargeAttempt(token, token * (size_t{7} << 20) + 13));
    expected.push_back(LargeAttempt(token, token * (size_t{7} << 20) + 13)->TakePayload());
  }
  ASSERT_EQ(Submit(attempts), 6);
  ASSERT_TRUE(events_->WaitForEnded(6));
  for (uint64_t token = 1; token <= 6; ++token) {
    EXPECT_TRUE(events_->result(token).bytes == expected[token - 1]) << token;
  }
}

TEST_F(ProcessPoolTest, AChildIsReplacedAfterItsTasks) {
  options_.max_tasks_per_child = 3;
  Start();
  std::vector<pid_t> children;
  for (int i = 0; i < 7; ++i) children.push_back(ChildId());
  EXPECT_EQ(children[0], children[2]);
  EXPECT_NE(children[2], children[3]);
  EXPECT_EQ(children[3], children[5]);
  EXPECT_NE(children[5], children[6]);
  EXPECT_THAT(events_->warnings(), ElementsAre());
}

TEST_F(ProcessPoolTest, BeyondItsMemoryAnAttemptFails) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's own memory is beyond any bound";
  options_.memory_bytes_max = int64_t{256} << 20;
  options_.cgroups.root = "";
  Start();
  EXPECT_EQ(pool_->memory_bound(), "RLIMIT_DATA (this system has no cgroup v2)");
  EXPECT_EQ(Run("hog").error_type, "std::bad_alloc");
  EXPECT_EQ(Run(LargeAttempt(1, size_t{300} << 20)).error_type, "Signal");
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
}

TEST_F(ProcessPoolTest, BeyondItsCpuTimeAnAttemptIsEnded) {
  options_.cpu_time_max = milliseconds(1);
  Start();
  const AttemptResult result = Run("spin");
  EXPECT_EQ(result.error_type, "Signal");
  EXPECT_THAT(result.error_message, HasSubstr("SIGXCPU: the attempt took more than 1 s"));
  EXPECT_EQ(Run("echo").end, AttemptEnd::kSucceeded);
}

TEST_F(ProcessPoolTest, WhatAHandlerHasStartedEndsWithItsProcess) {
  Start();
  const AttemptPtr attempt = NewAttempt(1, "helper");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(WaitUntil([this] { return stage_->helper != 0; }));
  const auto helper = static_cast<pid_t>(stage_->helper);
  EXPECT_EQ(::kill(helper, 0), 0);
  EXPECT_EQ(pool_->Shutdown(milliseconds(0)), 0);
  // Nobody reaps it here where no init does: a zombie has ended too.
  EXPECT_TRUE(WaitUntil([helper] {
    std::string line;
    std::ifstream status("/proc/" + std::to_string(helper) + "/stat");
    return !std::getline(status, line) || line.find(") Z") != std::string::npos;
  }));
}

TEST_F(ProcessPoolTest, AnInitializerThatThrowsIsTheReasonWhyThereIsNoPool) {
  ::setenv("TREADLE_TEST_CHILD", "throw", 1);
  const auto pool = ProcessPool::Start(options_, handlers_, events_);
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(pool.status().message()),
              HasSubstr("its initializer threw std::runtime_error: no licence"));
}

TEST_F(ProcessPoolTest, AChildThatDiesAtItsStartIsTheReasonWhyThereIsNoPool) {
  ::setenv("TREADLE_TEST_CHILD", "crash", 1);
  const auto pool = ProcessPool::Start(options_, handlers_, events_);
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(pool.status().message()),
              AllOf(HasSubstr("child 0 of pool 'process'"), HasSubstr("SIGABRT before it was "),
                    HasSubstr("Worker::Run")));
}

TEST_F(ProcessPoolTest, AStartThatIsBrokenOffEndsAtOnceAndItsChildrenWithIt) {
  ::setenv("TREADLE_TEST_CHILD", "hang", 1);
  std::stop_source stop;
  options_.stop_starting = stop.get_token();
  std::thread stopper([&] {
    EXPECT_TRUE(WaitUntil([this] { return stage_->child != 0; }));
    stop.request_stop();
  });
  const auto pool = ProcessPool::Start(options_, handlers_, events_);
  stopper.join();
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kCancelled);
  EXPECT_NE(::kill(static_cast<pid_t>(stage_->child), 0), 0);
}

TEST_F(ProcessPoolTest, ChildrenThatCannotStartAnyMoreDoNotSpinAndTheirTasksFail) {
  ::setenv("TREADLE_TEST_CHILD", "crash_later", 1);
  options_.restart_min = milliseconds(10);
  options_.restart_max = milliseconds(20);
  Start();
  stage_->door_open = true;
  EXPECT_EQ(Run("exit").error_type, "ExitStatus");
  const AttemptResult result = Run("echo");
  EXPECT_EQ(result.error_type, "BrokenPool");
  EXPECT_THAT(result.error_message, HasSubstr("was ended by SIGABRT before it was ready"));
  EXPECT_THAT(events_->warnings().at(0), HasSubstr("trying again in 10 ms"));
  EXPECT_THAT(events_->warnings().at(1), HasSubstr("trying again in 20 ms"));
  // And it is whole again as soon as they can.
  stage_->door_open = false;
  ASSERT_TRUE(WaitUntil([this] { return Run("echo").end == AttemptEnd::kSucceeded; }));
}

TEST_F(ProcessPoolTest, ChildrenThatDieBeforeTheirFirstTaskDoNotSpin) {
  ::setenv("TREADLE_TEST_CHILD", "deaf_later", 1);
  options_.restart_min = milliseconds(10);
  options_.restart_max = milliseconds(20);
  Start();
  stage_->door_open = true;
  EXPECT_EQ(Run("exit").error_type, "ExitStatus");
  EXPECT_EQ(Run("echo").error_type, "BrokenPool");
  EXPECT_THAT(events_->warnings().at(0), HasSubstr("between two tasks: trying again in 10 ms"));
  EXPECT_THAT(events_->warnings().at(1), HasSubstr("between two tasks: trying again in 20 ms"));
  stage_->door_open = false;
  ASSERT_TRUE(WaitUntil([this] { return Run("echo").end == AttemptEnd::kSucceeded; }));
}

// From here on no descriptor can be opened; those that are open stay so.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ProcessPoolTest, WithoutDescriptorsForAChildItsTasksAreHandedBack) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's checks open descriptors of their own";
  options_.restart_min = options_.restart_max = milliseconds(1);
  Start();
  {
    const NoDescriptors none;
    EXPECT_EQ(Run("exit").error_type, "ExitStatus");
    EXPECT_EQ(Run("echo").end, AttemptEnd::kReleased);
    EXPECT_THAT(events_->warnings().at(0), HasSubstr("Too many open files"));
  }
  ASSERT_TRUE(WaitUntil([this] { return Run("echo").end == AttemptEnd::kSucceeded; }));
}

TEST_F(ProcessPoolTest, WithoutDescriptorsThereIsNoPoolAndItSaysWhy) {
  options_.slots = 100;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = 40;
  ::setrlimit(RLIMIT_NOFILE, &few);
  const auto pool = ProcessPool::Start(options_, handlers_, events_);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(pool.status().message()),
              AllOf(HasSubstr("Too many open files"), Not(HasSubstr("Worker::Run"))));
}

TEST_F(ProcessPoolTest, OptionsOutOfBoundsAreRefused) {
  const auto code = [this] {
    return ProcessPool::Start(options_, handlers_, events_).status().code();
  };
  for (const int slots : {0, -1, 1'001}) {
    options_.slots = slots;
    EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument) << slots;
  }
  options_.slots = 1;
  options_.max_tasks_per_child = -1;
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace treadle::worker
