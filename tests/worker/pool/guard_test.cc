#include "worker/pool/process/guard.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <spawn.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/worker/pool/guarded.h"
#include "tests/worker/pool/recording_events.h"
#include "tests/worker/pool/stage.h"
#include "worker/pool/process/process_pool.h"

namespace treadle::worker {
namespace {

using ::testing::HasSubstr;

bool Lives(int64_t process) {
  std::string line;
  std::ifstream status("/proc/" + std::to_string(process) + "/stat");
  return std::getline(status, line) && line.find(") Z") == std::string::npos;
}

// A process of its own, which has started a program that has started another.
class GuardTest : public ::testing::Test {
 protected:
  ~GuardTest() override {
    ::unsetenv(kGuardedVariable);
    for (const int64_t left : {stage_->process.load(), stage_->helper.load()}) {
      if (left > 1 && Lives(left)) ::kill(static_cast<pid_t>(left), SIGKILL);
    }
  }

  void Start(const std::string& how) {
    ::setenv(kGuardedVariable, how.c_str(), 1);
    std::string program = "/proc/self/exe", name = "guarded", flag = "--a-flag";
    char* arguments[] = {name.data(), flag.data(), nullptr};
    ASSERT_EQ(::posix_spawn(&guarded_, program.c_str(), nullptr, nullptr, arguments, environ), 0);
    ASSERT_TRUE(WaitUntil([this] { return stage_->helper != 0; }));
    ASSERT_TRUE(Lives(stage_->process));
    ASSERT_TRUE(Lives(stage_->helper));
  }
  int AwaitEnd() {
    int status = 0;
    EXPECT_EQ(::waitpid(guarded_, &status, 0), guarded_);
    return status;
  }
  void ExpectNobodyLeft() {
    EXPECT_TRUE(WaitUntil([this] { return !Lives(stage_->process); })) << "the program";
    EXPECT_TRUE(WaitUntil([this] { return !Lives(stage_->helper); })) << "what it has started";
  }

  const std::shared_ptr<Stage> stage_ = Stage::New();
  pid_t guarded_ = 0;
};

TEST_F(GuardTest, WhatWasStartedEndsWithAKilledProcess) {
  Start("program");
  ::kill(guarded_, SIGKILL);
  EXPECT_EQ(AwaitEnd(), SIGKILL);
  ExpectNobodyLeft();
}

TEST_F(GuardTest, WhatWasStartedEndsWithAProcessThatCrashes) {
  Start("program");
  ::kill(guarded_, SIGSEGV);
  AwaitEnd();
  ExpectNobodyLeft();
}

TEST_F(GuardTest, WhatWasStartedEndsWithAProcessThatExitsAtOnce) {
  Start("program");
  stage_->door_open = true;
  EXPECT_EQ(WEXITSTATUS(AwaitEnd()), 3);
  ExpectNobodyLeft();
}

TEST_F(GuardTest, SignalsToAllOfTheProcessesAroundItDoNotEndTheGuard) {
  Start("program");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1}) {
    ::kill(static_cast<pid_t>(stage_->guard), signal);
  }
  EXPECT_TRUE(
      WaitUntil([this] { return ::getsid(static_cast<pid_t>(stage_->guard)) == stage_->guard; }));
  ::kill(guarded_, SIGKILL);
  AwaitEnd();
  ExpectNobodyLeft();
}

TEST_F(GuardTest, WhatAPoolsChildHasStartedEndsWithTheWorkerAndTheChild) {
  Start("pool");
  // At once, so that neither can see to it.
  ::kill(static_cast<pid_t>(stage_->child), SIGSTOP);
  ::kill(guarded_, SIGSTOP);
  ::kill(guarded_, SIGKILL);
  ::kill(static_cast<pid_t>(stage_->child), SIGKILL);
  AwaitEnd();
  ExpectNobodyLeft();
}

TEST_F(GuardTest, WhatAPoolsChildHasStartedEndsWithTheChild) {
  Start("pool");
  ::kill(static_cast<pid_t>(stage_->child), SIGKILL);
  ExpectNobodyLeft();
  EXPECT_TRUE(Lives(guarded_));
  ::kill(guarded_, SIGKILL);
  AwaitEnd();
}

TEST_F(GuardTest, WhenTheGuardIsKilledFirstProgramsStillEnd) {
  Start("program");
  ::kill(static_cast<pid_t>(stage_->guard), SIGKILL);
  // Its parent reaps it only at its own end.
  ASSERT_TRUE(WaitUntil([this] { return !Lives(stage_->guard); }));
  ::kill(guarded_, SIGKILL);
  AwaitEnd();
  EXPECT_TRUE(WaitUntil([this] { return !Lives(stage_->process); }));
}

TEST_F(GuardTest, AGuardThatWasKilledIsReplaced) {
  const auto guard = *Guard::Start();
  const pid_t first = guard->process();
  ::kill(first, SIGKILL);
  // Until it can be reaped: its first thread may be a zombie while others are still there.
  ASSERT_TRUE(WaitUntil([first] {
    siginfo_t ended{};
    const int flags = WEXITED | WNOHANG | WNOWAIT;
    return ::waitid(P_PID, static_cast<id_t>(first), &ended, flags) == 0 && ended.si_pid == first;
  }));
  EXPECT_TRUE(guard->Enter().ok());
  EXPECT_NE(guard->process(), first);
  EXPECT_TRUE(Lives(guard->process()));
}

TEST_F(GuardTest, AnAttemptIsOverWhenAllThatItsChildHasStartedIsDead) {
  const auto handlers = std::make_shared<Handlers>();
  AddStageHandlers(*handlers, stage_);
  const auto events = std::make_shared<RecordingEvents>();
  ProcessPoolOptions options;
  options.guard = *Guard::Start();
  const auto pool = *ProcessPool::Start(options, handlers, events);
  std::vector<AttemptPtr> attempts = {NewAttempt(1, "program")};
  ASSERT_EQ(pool->Submit(attempts), 1);
  ASSERT_TRUE(WaitUntil([this] { return stage_->helper != 0; }));
  ::kill(static_cast<pid_t>(stage_->child), SIGKILL);
  ASSERT_TRUE(events->WaitForEnded(1));
  EXPECT_FALSE(Lives(stage_->process));
  EXPECT_FALSE(Lives(stage_->helper));
  EXPECT_EQ(events->result(1).error_type, "Signal");
}

TEST_F(GuardTest, ListsOfProcessesShowItUnderItsOwnName) {
  Start("program");
  const std::string folder = "/proc/" + std::to_string(stage_->guard);
  for (const char* const file : {"/comm", "/cmdline"}) {
    EXPECT_TRUE(WaitUntil([path = folder + file] {
      std::string text;
      std::getline(std::ifstream(path) >> std::ws, text);
      return text.substr(0, 13) == "treadle-guard";
    })) << file;
  }
  ::kill(guarded_, SIGKILL);
  AwaitEnd();
}

TEST_F(GuardTest, APlaceIsFreeAgainWhenItIsLeft) {
  const auto guard = *Guard::Start();
  std::vector<Guard::Place> places;
  for (size_t i = 0; i < Guard::kPlaces; ++i) {
    absl::StatusOr<Guard::Place> place = guard->Enter();
    ASSERT_TRUE(place.ok()) << place.status();
    places.push_back(*std::move(place));
  }
  const absl::Status full = guard->Enter().status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("--concurrency"));
  places.pop_back();
  EXPECT_TRUE(guard->Enter().ok());
}

TEST_F(GuardTest, WhatWasTakenFromADeadProcessCannotBeEntered) {
  const auto guard = *Guard::Start();
  const Guard::Place place = *guard->Enter();
  EXPECT_TRUE(place.Put(4'000'000));
  EXPECT_THAT(guard->GroupsOf(::getpid()), ::testing::ElementsAre(4'000'000));
  guard->Forget(::getpid());
  EXPECT_TRUE(guard->GroupsOf(::getpid()).empty());
  EXPECT_FALSE(place.Put(4'000'001));
  EXPECT_TRUE(guard->GroupsOf(::getpid()).empty());
}

}  // namespace
}  // namespace treadle::worker
