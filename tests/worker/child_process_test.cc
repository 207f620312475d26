#include "worker/exec/child_process.h"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <new>
#include <signal.h>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "proto/support/descriptors.h"
#include "tests/support/sanitized.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using test::kSanitized;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildProcessTest() {
    options_.environment = {"PATH=/usr/bin:/bin"};
    options_.output_bytes_max = 16 * kMiB;
    options_.error_bytes_max = 1'000;
    std::string folder = (std::filesystem::temp_directory_path() / "treadle-XXXXXX").string();
    folder_ = ::mkdtemp(folder.data());
    files_before_ = OpenFiles();
    ::getrlimit(RLIMIT_NOFILE, &descriptors_);
  }
  ~ChildProcessTest() override {
    ::setrlimit(RLIMIT_NOFILE, &descriptors_);
    EXPECT_EQ(OpenFiles(), files_before_) << "open files were left behind";
    EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD)
        << "a child was left behind";
    std::filesystem::remove_all(folder_);
  }

  static int OpenFiles() {
    int count = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) {
      ++count;
    }
    return count;
  }

  ChildResult Run(std::vector<std::string> argv, std::string_view input = {}) {
    options_.argv = std::move(argv);
    const absl::StatusOr<ChildResult> result = RunChild(options_, input, stop_.get_token());
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(ChildResult());
  }
  ChildResult RunShell(const std::string& script, std::string_view input = {}) {
    return Run({"/bin/sh", "-c", script}, input);
  }

  // Until the test ends.
  void LowerDescriptors(rlim_t count) {
    rlimit limit = descriptors_;
    limit.rlim_cur = count;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }

  // Waits until the file is there with something in it, and returns that.
  std::string Await(const std::string& name) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::string text;
    while (text.empty() && std::chrono::steady_clock::now() < until) {
      std::ifstream file(folder_ / name);
      std::getline(file, text);
      if (text.empty()) std::this_thread::sleep_for(milliseconds(2));
    }
    return text;
  }
  // Waits until no process of this id runs (a zombie does not run).
  static bool AwaitDeath(const std::string& pid) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < until) {
      std::ifstream file("/proc/" + pid + "/stat");
      std::string line;
      if (!std::getline(file, line) || line.find(") Z ") != std::string::npos) return true;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return false;
  }

  ChildOptions options_;
  std::stop_source stop_;
  std::filesystem::path folder_;
  int files_before_ = 0;
  rlimit descriptors_{};
};

TEST_F(ChildProcessTest, InputGoesInAndOutputComesOut) {
  const ChildResult result = Run({"/usr/bin/wc", "-w"}, "three short words");
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.output, "3\n");
  EXPECT_EQ(result.error, "");
}

TEST_F(ChildProcessTest, MegabytesFlowBothWaysAtOnce) {
  std::string input(8 * kMiB, '\0');
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<char>(i * 31 >> 8);
  const ChildResult result = Run({"/bin/cat"}, input);
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_TRUE(result.output == input);
}

TEST_F(ChildProcessTest, AProgramThatIgnoresItsInputIsFine) {
  const ChildResult result = RunShell("echo done", std::string(4 * kMiB, 'x'));
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_EQ(result.output, "done\n");
}

TEST_F(ChildProcessTest, AProgramThatClosesItsPipesEarlyIsWaitedFor) {
  const ChildResult result =
      RunShell("exec 0<&- 1>&- 2>&-; sleep 0.05; exit 3", std::string(kMiB, 'x'));
  EXPECT_EQ(result.exit_status, 3);
}

TEST_F(ChildProcessTest, ExitStatusAndStandardErrorAreKept) {
  const ChildResult result = RunShell("echo out; echo oops >&2; exit 7");
  EXPECT_EQ(result.exit_status, 7);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error, "oops\n");
}

TEST_F(ChildProcessTest, OfStandardErrorTheEndIsKept) {
  const ChildResult result = RunShell("seq 1 100000 >&2; echo the end >&2");
  EXPECT_EQ(result.error.size(), 1'000);
  EXPECT_THAT(result.error, ::testing::EndsWith("100000\nthe end\n"));
}

TEST_F(ChildProcessTest, ASignalIsTold) {
  const ChildResult result = RunShell("kill -SEGV $$");
  EXPECT_EQ(result.signal, SIGSEGV);
}

TEST_F(ChildProcessTest, TooMuchOutputEndsTheProgram) {
  options_.output_bytes_max = 100'000;
  const ChildResult result = RunShell("yes");
  EXPECT_TRUE(result.output_too_large);
  EXPECT_EQ(result.output, "");  // it ends by the kill, or by its closed pipe: whichever is first
}

TEST_F(ChildProcessTest, JustEnoughOutputIsFine) {
  options_.output_bytes_max = 100'000;
  const ChildResult result = RunShell("head -c 100000 /dev/zero");
  EXPECT_FALSE(result.output_too_large);
  EXPECT_EQ(result.output.size(), 100'000);
}

TEST_F(ChildProcessTest, AStopReachesTheProgramAsSigterm) {
  const std::string ready = (folder_ / "ready").string();
  std::jthread stopper([&] {
    Await("ready");
    stop_.request_stop();
  });
  const ChildResult result = RunShell("trap 'echo bye; exit 4' TERM; echo yes > " + ready +
                                      "; while :; do sleep 0.01; done");
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.exit_status, 4);
  EXPECT_EQ(result.output, "bye\n");
}

TEST_F(ChildProcessTest, AProgramThatIgnoresSigtermIsKilledWithAllItsDescendants) {
  options_.kill_after = milliseconds(20);
  const std::string pid_file = (folder_ / "grandchild").string();
  std::string grandchild;
  std::jthread stopper([&] {
    grandchild = Await("grandchild");
    stop_.request_stop();
  });
  const ChildResult result =
      RunShell("trap '' TERM; (sh -c 'trap \"\" TERM; echo $$ > " + pid_file +
               "; while :; do sleep 1; done') & while :; do sleep 1; done");
  stopper.join();
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_FALSE(grandchild.empty());
  EXPECT_TRUE(AwaitDeath(grandchild));
}

TEST_F(ChildProcessTest, AStopFromBeforeTheStartCounts) {
  stop_.request_stop();
  const ChildResult result = RunShell("sleep 1000");
  EXPECT_EQ(result.signal, SIGTERM);
}

TEST_F(ChildProcessTest, WhatTheProgramLeavesBehindIsKilled) {
  const std::string pid_file = (folder_ / "orphan").string();
  const ChildResult result = RunShell("sleep 1000 & echo $! > " + pid_file + "; echo done");
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_EQ(result.output, "done\n") << "though its child still held the pipe";
  EXPECT_TRUE(AwaitDeath(Await("orphan")));
}

TEST_F(ChildProcessTest, NobodyInItsGroupIsAliveWhenTheCallReturns) {
  const ChildResult result =
      RunShell("for i in $(seq 50); do sleep 1000 & echo $!; done; exec 1>&- 2>&-");
  std::istringstream pids(result.output);
  int count = 0;
  for (std::string pid; pids >> pid; ++count) {
    std::ifstream file("/proc/" + pid + "/stat");
    std::string line;
    EXPECT_TRUE(!std::getline(file, line) || line.find(") Z ") != std::string::npos) << line;
  }
  EXPECT_EQ(count, 50);
}

TEST_F(ChildProcessTest, WhatIsThrownLeavesNothingBehind) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have memory limits of their own";
  options_.output_bytes_max = int64_t{1} << 40;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_DATA, &before), 0);
  rlimit small = before;
  small.rlim_cur = 256 * kMiB;
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &small), 0);
  options_.argv = {"/usr/bin/yes"};
  EXPECT_THROW(static_cast<void>(RunChild(options_, "", stop_.get_token())), std::bad_alloc);
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &before), 0);
  // The fixture looks for children and open files.
}

TEST_F(ChildProcessTest, AStopIsHeardThoughDescriptorsAreUsedUpMeanwhile) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's checks open descriptors of their own";
  std::vector<int> all;
  std::jthread stopper([&] {
    Await("ready");
    for (int file; (file = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) all.push_back(file);
    stop_.request_stop();
  });
  LowerDescriptors(64);
  const ChildResult result =
      RunShell("echo yes > " + (folder_ / "ready").string() + "; exec sleep 1000");
  stopper.join();
  for (const int file : all) ::close(file);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_TRUE(result.stopped);
}

TEST_F(ChildProcessTest, WithoutDescriptorsNothingIsStarted) {
  LowerDescriptors(64);
  for (int spare = 0; spare < 9; ++spare) {
    std::vector<int> all;
    for (int file; (file = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) all.push_back(file);
    for (int i = 0; i < spare; ++i) {
      ::close(all.back());
      all.pop_back();
    }
    options_.argv = {"/bin/true"};
    const absl::StatusOr<ChildResult> result = RunChild(options_, "", stop_.get_token());
    for (const int file : all) ::close(file);
    if (spare < 7) {
      EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted) << spare;
    } else if (spare == 8) {
      EXPECT_TRUE(result.ok()) << result.status();
    }
  }
}

TEST_F(ChildProcessTest, TheProgramHasTheLimitOfOpenFilesThatWeWereStartedWith) {
  LowerDescriptors(100);
  RaiseDescriptorLimit();
  EXPECT_EQ(RunShell("ulimit -Sn").output, std::to_string(FirstDescriptorLimit().rlim_cur) + "\n");
}

TEST_F(ChildProcessTest, AProgramThatCannotBeStartedIsAnError) {
  options_.argv = {"/nowhere/program"};
  const absl::StatusOr<ChildResult> missing = RunChild(options_, "", stop_.get_token());
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("'/nowhere/program'"));
  options_.argv = {"/etc/passwd"};
  EXPECT_EQ(RunChild(options_, "", stop_.get_token()).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(ChildProcessTest, TheProgramSeesItsOwnEnvironmentAndNothingElse) {
  ::setenv("TREADLE_SECRET", "leaked", 1);
  options_.environment = {"PATH=/usr/bin:/bin", "TREADLE_TASK_ID=1-1"};
  EXPECT_EQ(Run({"/usr/bin/env"}).output, "PATH=/usr/bin:/bin\nTREADLE_TASK_ID=1-1\n");
}

TEST_F(ChildProcessTest, TheProgramHasDefaultSignalsAndThreeOpenFiles) {
  const int stray = ::open("/dev/null", O_RDONLY);  // without close-on-exec
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto ignored = ::signal(SIGPIPE, SIG_IGN);
  // ls opens the folder itself, as number 3.
  EXPECT_EQ(Run({"/bin/ls", "/proc/self/fd"}).output, "0\n1\n2\n3\n");
  EXPECT_THAT(Run({"/bin/cat", "/proc/self/status"}).output,
              HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_EQ(RunShell("kill -PIPE $$; echo survived").signal, SIGPIPE);
  ::signal(SIGPIPE, ignored);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(stray);
}

TEST_F(ChildProcessTest, SigpipeIsLeftAsItWas) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  RunShell("exec 0<&-; sleep 0.02", std::string(kMiB, 'x'));
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGPIPE), sigismember(&after, SIGPIPE));
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST_F(ChildProcessTest, ManyChildrenAtOnceKeepApart) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      ChildOptions options = options_;
      options.argv = {"/bin/cat"};
      for (int n = 0; n < 10; ++n) {
        const std::string input(200'000, static_cast<char>('a' + i));
        const auto result = RunChild(options, input, stop_.get_token());
        ASSERT_TRUE(result.ok()) << result.status();
        ASSERT_EQ(result->exit_status, 0);
        ASSERT_TRUE(result->output == input);
      }
    });
  }
}

}  // namespace
}  // namespace treadle::worker
