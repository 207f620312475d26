#include "proto/program/signals.h"

#include <future>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

namespace treadle::program {
namespace {

TEST(StopSignals, CallsBackOnAPlainThread) {
  StopSignals signals;
  std::promise<int> heard;
  signals.OnStop([&](int signal) { heard.set_value(signal); });
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(heard.get_future().get(), SIGTERM);
}

TEST(StopSignals, KeepsASignalThatCameTooEarly) {
  StopSignals signals;
  ::kill(::getpid(), SIGINT);
  std::promise<int> heard;
  signals.OnStop([&](int signal) { heard.set_value(signal); });
  EXPECT_EQ(heard.get_future().get(), SIGINT);
}

TEST(StopSignals, EndsWithoutASignal) {
  StopSignals signals;
  signals.OnStop([](int) { FAIL(); });
}

TEST(StopSignals, HearsThatTheTerminalIsClosedHoweverOftenItIsTold) {
  StopSignals signals;
  std::promise<int> heard, again;
  signals.OnStop([&](int signal) { heard.set_value(signal); });
  ::kill(::getpid(), SIGHUP);
  EXPECT_EQ(heard.get_future().get(), SIGHUP);
  ::kill(::getpid(), SIGHUP);  // would end the tests if it counted
  sigset_t pending;
  do {
    std::this_thread::yield();
    ::sigpending(&pending);
  } while (sigismember(&pending, SIGHUP) == 1);
}

TEST(StopSignals, LeavesAnIgnoredHangupAlone) {
  const auto before = ::signal(SIGHUP, SIG_IGN);
  {
    StopSignals signals;
    std::promise<int> heard;
    signals.OnStop([&](int signal) { heard.set_value(signal); });
    ::kill(::getpid(), SIGHUP);
    ::kill(::getpid(), SIGTERM);
    EXPECT_EQ(heard.get_future().get(), SIGTERM);
  }
  ::signal(SIGHUP, SIG_IGN);  // drops the one that waits where an earlier test has blocked it
  ::signal(SIGHUP, before);
}

TEST(StopSignalsDeathTest, SecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        StopSignals signals;
        std::promise<void> draining;
        std::promise<void> nothing;
        const std::shared_future<void> never = nothing.get_future().share();
        signals.OnStop([&](int) {
          draining.set_value();
          never.wait();
        });
        ::kill(::getpid(), SIGTERM);
        draining.get_future().wait();
        ::kill(::getpid(), SIGINT);
        never.wait();
      },
      ::testing::ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace treadle::program
