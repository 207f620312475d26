#include "worker/signal_watch.h"

#include <csignal>
#include <future>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

namespace treadle::worker {
namespace {

volatile std::sig_atomic_t own_handler_heard = 0;

TEST(SignalWatch, TellsTheFirstAndPutsTheProgramsHandlerBack) {
  const auto before = std::signal(SIGTERM, [](int signal) { own_handler_heard = signal; });
  {
    std::promise<int> heard;
    const auto watch = SignalWatch::Start([&](int signal) { heard.set_value(signal); });
    ASSERT_TRUE(watch.ok()) << watch.status();
    ::kill(::getpid(), SIGTERM);
    EXPECT_EQ(heard.get_future().get(), SIGTERM);
    EXPECT_EQ(own_handler_heard, 0);
  }
  std::raise(SIGTERM);
  EXPECT_EQ(own_handler_heard, SIGTERM);
  std::signal(SIGTERM, before);
}

TEST(SignalWatch, OneAtATime) {
  {
    const auto first = SignalWatch::Start([](int) {});
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(SignalWatch::Start([](int) {}).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_TRUE(SignalWatch::Start([](int) {}).ok());
}

TEST(SignalWatchDeathTest, TheSecondEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::promise<void> draining;
        const auto watch = SignalWatch::Start([&](int) { draining.set_value(); });
        ::kill(::getpid(), SIGTERM);
        draining.get_future().wait();
        ::kill(::getpid(), SIGINT);
        std::this_thread::sleep_for(std::chrono::hours(1));
      },
      ::testing::ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace treadle::worker
