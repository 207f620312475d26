#include <csignal>
#include <memory>
#include <pthread.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/recording_events.h"
#include "tests/worker/pool/stage.h"
#include "worker/pool/confirmed_starts.h"
#include "worker/pool/process/process_pool.h"
#include "worker/pool/thread/thread_pool.h"

// Where the system has no more threads.

namespace treadle::worker {
namespace {

using ::testing::HasSubstr;

// No thread can be started meanwhile: none has so much room for its stack.
class NoThreads {
 public:
  NoThreads() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t large;
    ::pthread_attr_init(&large);
    ::pthread_attr_setstacksize(&large, size_t{1} << 46);
    ::pthread_setattr_default_np(&large);
    ::pthread_attr_destroy(&large);
  }
  ~NoThreads() { ::pthread_setattr_default_np(&before_); }

 private:
  pthread_attr_t before_;
};

TEST(NoThreads, APoolIsNotStartedAndSaysWhy) {
  const auto handlers = std::make_shared<Handlers>();
  AddStageHandlers(*handlers, Stage::New());
  const auto events = std::make_shared<RecordingEvents>();
  const NoThreads none;
  EXPECT_EQ(ThreadPool::Start({}, handlers, events).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ProcessPool::Start({}, handlers, events).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(NoThreads, AStartThatShallBeConfirmedIsNoStart) {
  const auto events = std::make_shared<RecordingEvents>();
  std::vector<std::pair<AttemptPtr, bool>> begun;
  ConfirmedStarts starts(events, [&begun](const AttemptPtr& attempt, bool has_begun) {
    begun.emplace_back(attempt, has_begun);
  });
  const AttemptPtr attempt = NewAttempt(1, "echo");
  const NoThreads none;
  starts.Begin(attempt);
  ASSERT_EQ(begun.size(), 1);
  EXPECT_EQ(begun[0], std::pair(attempt, false));
  EXPECT_THAT(events->warnings().at(0), HasSubstr("cannot be started"));
}

}  // namespace
}  // namespace treadle::worker
