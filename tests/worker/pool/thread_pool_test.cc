#include "worker/pool/thread/thread_pool.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <set>
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/meeting.h"
#include "tests/worker/pool/recording_events.h"

namespace treadle::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class ThreadPoolTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<ThreadPool>> Start(const ThreadPoolOptions& options) {
    return ThreadPool::Start(options, handlers_, events_);
  }

  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
  const std::shared_ptr<RecordingEvents> events_ = std::make_shared<RecordingEvents>();
};

TEST_F(ThreadPoolTest, ThreadsCarryThePoolsNameAndTheirNumber) {
  Meeting meeting(3);
  handlers_->Add("name", [&meeting](TaskContext&, std::string) {
    EXPECT_TRUE(meeting.Attend());
    char name[16];
    pthread_getname_np(pthread_self(), name, sizeof(name));
    return AttemptResult::Succeeded(name, "");
  });
  ThreadPoolOptions options;
  options.name = "a-rather-long-name";
  options.slots = 3;
  const auto pool = *Start(options);
  std::vector<AttemptPtr> attempts = NewAttempts(1, 3, "name");
  ASSERT_EQ(pool->Submit(attempts), 3);
  ASSERT_TRUE(events_->WaitForEnded(3));
  std::set<std::string> names;
  for (uint64_t token = 1; token <= 3; ++token) names.insert(events_->result(token).bytes);
  EXPECT_THAT(names, UnorderedElementsAre("a-rather-long-0", "a-rather-long-1", "a-rather-long-2"));
}

TEST_F(ThreadPoolTest, EachThreadIsInitializedBeforeItsFirstAttempt) {
  static thread_local int number = -1;
  std::atomic<int> initialized = 0;
  handlers_->Add("number", [](TaskContext&, std::string) {
    return AttemptResult::Succeeded(std::to_string(number), "");
  });
  ThreadPoolOptions options;
  options.slots = 4;
  options.waiting_max = 100;
  options.initializer = [&initialized](int thread) {
    number = thread;
    ++initialized;
  };
  const auto pool = *Start(options);
  EXPECT_EQ(initialized, 4);
  std::vector<AttemptPtr> attempts = NewAttempts(1, 100, "number");
  ASSERT_EQ(pool->Submit(attempts), 100);
  ASSERT_TRUE(events_->WaitForEnded(100));
  for (uint64_t token = 1; token <= 100; ++token) EXPECT_NE(events_->result(token).bytes, "-1");
}

TEST_F(ThreadPoolTest, AnInitializerThatThrowsIsTheReasonWhyThereIsNoPool) {
  ThreadPoolOptions options;
  options.slots = 3;
  options.initializer = [](int thread) {
    if (thread == 1) throw std::runtime_error("no licence");
  };
  const auto pool = Start(options);
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(pool.status().message()),
              HasSubstr("thread 1 of pool 'thread' threw std::runtime_error: no licence"));
}

TEST_F(ThreadPoolTest, OptionsOutOfBoundsAreRefused) {
  ThreadPoolOptions options;
  for (const int slots : {0, -1, 10'001}) {
    options.slots = slots;
    EXPECT_EQ(Start(options).status().code(), absl::StatusCode::kInvalidArgument) << slots;
  }
  options.slots = 1;
  options.waiting_max = -1;
  EXPECT_EQ(Start(options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace treadle::worker
