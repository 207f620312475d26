#include "proto/program/signals.h"

#include <future>
#include <signal.h>
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
