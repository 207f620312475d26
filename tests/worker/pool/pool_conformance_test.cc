#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/meeting.h"
#include "tests/worker/pool/recording_events.h"
#include "worker/pool/handlers.h"
#include "worker/pool/manual_pool.h"
#include "worker/pool/thread_pool.h"

// What every pool promises (worker/pool/pool.h), for every pool that there is.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct PoolShape {
  int slots = 1;
  int64_t waiting_max = 0;
};

// A pool, and what keeps it going.
class LivePool {
 public:
  virtual ~LivePool() = default;
  virtual Pool& pool() = 0;
};

class LiveThreadPool final : public LivePool {
 public:
  LiveThreadPool(PoolShape shape, std::shared_ptr<const Handlers> handlers,
                 std::shared_ptr<AttemptEvents> events) {
    ThreadPoolOptions options;
    options.slots = shape.slots;
    options.waiting_max = shape.waiting_max;
    pool_ = *ThreadPool::Start(options, std::move(handlers), std::move(events));
  }
  Pool& pool() override { return *pool_; }

 private:
  std::unique_ptr<ThreadPool> pool_;
};

// The manual pool with a crew that turns its crank.
class LiveManualPool final : public LivePool {
 public:
  LiveManualPool(PoolShape shape, std::shared_ptr<const Handlers> handlers,
                 std::shared_ptr<AttemptEvents> events)
      : pool_(std::make_shared<ManualPool>(shape.slots, shape.waiting_max, std::move(handlers),
                                           std::move(events))),
        over_(std::make_shared<std::atomic<bool>>(false)) {
    for (int i = 0; i < shape.slots; ++i) {
      std::thread([pool = pool_, over = over_] {
        while (!*over) {
          if (!pool->RunOne()) std::this_thread::sleep_for(milliseconds(1));
        }
      }).detach();
    }
  }
  ~LiveManualPool() override { *over_ = true; }
  Pool& pool() override { return *pool_; }

 private:
  std::shared_ptr<ManualPool> pool_;
  std::shared_ptr<std::atomic<bool>> over_;
};

using Factory = std::function<std::unique_ptr<LivePool>(PoolShape, std::shared_ptr<const Handlers>,
                                                        std::shared_ptr<AttemptEvents>)>;

template <typename Live>
Factory FactoryOf() {
  return [](PoolShape shape, std::shared_ptr<const Handlers> handlers,
            std::shared_ptr<AttemptEvents> events) {
    return std::make_unique<Live>(shape, std::move(handlers), std::move(events));
  };
}

class PoolConformance : public ::testing::TestWithParam<std::pair<const char*, Factory>> {
 protected:
  PoolConformance() {
    handlers_->Add("echo", [](TaskContext&, std::string payload) {
      return AttemptResult::Succeeded(std::move(payload), "text/plain");
    });
    handlers_->Add("wait", [this](TaskContext&, std::string) {
      EXPECT_TRUE(door_->Pass());
      return AttemptResult::Succeeded("waited", "");
    });
    handlers_->Add("wait_for_stop", [](TaskContext& context, std::string) {
      EXPECT_FALSE(context.SleepFor(kGenerous));
      return AttemptResult::Failed("Told", std::string(ToString(context.stop_reason())));
    });
  }

  void Start(PoolShape shape) { live_ = GetParam().second(shape, handlers_, events_); }
  Pool& pool() { return live_->pool(); }
  size_t Submit(std::vector<AttemptPtr> attempts) { return pool().Submit(attempts); }
  size_t SubmitOne(uint64_t token, const std::string& type) {
    return Submit(NewAttempts(token, 1, type));
  }

  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
  const std::shared_ptr<RecordingEvents> events_ = std::make_shared<RecordingEvents>();
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();
  std::unique_ptr<LivePool> live_;
};

TEST_P(PoolConformance, ReturnsWhatTheHandlerReturns) {
  Start({1, 0});
  ASSERT_EQ(Submit({NewAttempt(7, "echo", "hello")}), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  const AttemptResult result = events_->result(7);
  EXPECT_EQ(result.end, AttemptEnd::kSucceeded);
  EXPECT_EQ(result.bytes, "hello");
  EXPECT_EQ(result.content_type, "text/plain");
}

TEST_P(PoolConformance, EachAttemptEndsExactlyOnce) {
  constexpr size_t kSubmitters = 4, kEach = 500;
  Start({3, 100});
  std::vector<std::thread> submitters;
  for (size_t s = 0; s < kSubmitters; ++s) {
    submitters.emplace_back([this, s] {
      std::vector<AttemptPtr> attempts = NewAttempts(1 + s * kEach, kEach, "echo");
      std::span<AttemptPtr> rest(attempts);
      while (!rest.empty()) {
        rest = rest.subspan(pool().Submit(rest.first(std::min<size_t>(rest.size(), 17))));
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& submitter : submitters) submitter.join();
  ASSERT_TRUE(events_->WaitForEnded(kSubmitters * kEach));
  std::vector<uint64_t> ended = events_->ended();
  std::sort(ended.begin(), ended.end());
  ASSERT_EQ(ended.size(), kSubmitters * kEach);
  for (size_t i = 0; i < ended.size(); ++i) ASSERT_EQ(ended[i], i + 1);
}

TEST_P(PoolConformance, AttemptsBeginInTheOrderOfSubmission) {
  Start({1, 1000});
  ASSERT_EQ(Submit(NewAttempts(1, 500, "echo")), 500);
  ASSERT_EQ(Submit(NewAttempts(501, 300, "echo")), 300);
  ASSERT_TRUE(events_->WaitForEnded(800));
  const std::vector<uint64_t> begun = events_->begun();
  EXPECT_TRUE(std::is_sorted(begun.begin(), begun.end()));
  EXPECT_EQ(begun.size(), 800);
}

TEST_P(PoolConformance, AllSlotsWorkAtTheSameTime) {
  const auto meeting = std::make_shared<Meeting>(4);
  handlers_->Add("meet", [meeting](TaskContext&, std::string) {
    return AttemptResult::Succeeded(meeting->Attend() ? "met" : "alone", "");
  });
  Start({4, 0});
  ASSERT_EQ(Submit(NewAttempts(1, 4, "meet")), 4);
  ASSERT_TRUE(events_->WaitForEnded(4));
  for (uint64_t token = 1; token <= 4; ++token) EXPECT_EQ(events_->result(token).bytes, "met");
}

TEST_P(PoolConformance, NeverMoreAtOnceThanThereAreSlots) {
  const auto now = std::make_shared<std::atomic<int>>(0);
  const auto most = std::make_shared<std::atomic<int>>(0);
  handlers_->Add("count", [now, most](TaskContext&, std::string) {
    const int running = ++*now;
    int seen = *most;
    while (seen < running && !most->compare_exchange_weak(seen, running)) {
    }
    std::this_thread::yield();
    --*now;
    return AttemptResult::Succeeded("", "");
  });
  Start({3, 1000});
  ASSERT_EQ(Submit(NewAttempts(1, 1000, "count")), 1000);
  ASSERT_TRUE(events_->WaitForEnded(1000));
  EXPECT_LE(*most, 3);
}

TEST_P(PoolConformance, TakesNoMoreThanItHasRoomFor) {
  Start({1, 2});
  EXPECT_EQ(Submit(NewAttempts(1, 5, "wait")), 3);
  ASSERT_TRUE(events_->WaitForBegun(1));
  EXPECT_EQ(SubmitOne(6, "wait"), 0);
  door_->Open();
  ASSERT_TRUE(events_->WaitForEnded(3));
  EXPECT_EQ(SubmitOne(7, "wait"), 1);
  ASSERT_TRUE(events_->WaitForEnded(4));
}

TEST_P(PoolConformance, ASlotIsFreeWhenTheEndIsTold) {
  Start({1, 0});
  for (uint64_t token = 1; token <= 200; ++token) {
    ASSERT_EQ(SubmitOne(token, "echo"), 1) << token;
    ASSERT_TRUE(events_->WaitForEnded(token));
  }
}

TEST_P(PoolConformance, AHandlerThatThrowsCostsItsOwnAttemptOnly) {
  handlers_->Add("throw", [](TaskContext&, std::string) -> AttemptResult {
    throw std::out_of_range("no such row");
  });
  Start({1, 10});
  ASSERT_EQ(Submit({NewAttempt(1, "throw"), NewAttempt(2, "echo", "still here")}), 2);
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kFailed);
  EXPECT_EQ(events_->result(1).error_type, "std::out_of_range");
  EXPECT_EQ(events_->result(1).error_message, "no such row");
  EXPECT_EQ(events_->result(2).bytes, "still here");
}

TEST_P(PoolConformance, ATypeWithoutHandlerFails) {
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "unheard_of"), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kFailed);
  EXPECT_EQ(events_->result(1).error_type, "HandlerNotFound");
  EXPECT_THAT(events_->result(1).error_message, HasSubstr("'unheard_of'"));
}

TEST_P(PoolConformance, AnAttemptThatMustNotBeginDoesNotRun) {
  std::atomic<bool> ran = false;
  handlers_->Add("mark", [&ran](TaskContext&, std::string) {
    ran = true;
    return AttemptResult::Succeeded("", "");
  });
  events_->Refuse();
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "mark"), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kStopped);
  EXPECT_FALSE(ran);
}

TEST_P(PoolConformance, AWaitingAttemptThatIsStoppedEndsAtOnceWithoutRunning) {
  Start({1, 3});
  std::vector<AttemptPtr> attempts = NewAttempts(1, 4, "wait");
  const std::vector<AttemptPtr> kept = attempts;
  ASSERT_EQ(pool().Submit(attempts), 4);
  ASSERT_TRUE(events_->WaitForBegun(1));
  pool().Stop(kept[2], StopReason::kCancelled);
  EXPECT_THAT(events_->ended(), ElementsAre(3));
  EXPECT_EQ(events_->result(3).end, AttemptEnd::kStopped);
  EXPECT_EQ(SubmitOne(5, "wait"), 1) << "its place in the line is free";
  door_->Open();
  ASSERT_TRUE(events_->WaitForEnded(5));
  EXPECT_THAT(events_->begun(), ElementsAre(1, 2, 4, 5));
}

TEST_P(PoolConformance, ARunningAttemptThatIsStoppedIsToldByItsToken) {
  Start({1, 0});
  const AttemptPtr attempt = NewAttempt(1, "wait_for_stop");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  pool().Stop(attempt, StopReason::kCancelled);
  pool().Stop(attempt, StopReason::kDeadline);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kStopped);
  EXPECT_EQ(attempt->stop_reason(), StopReason::kCancelled) << "the first reason stays";
}

TEST_P(PoolConformance, StoppingWhatHasEndedChangesNothing) {
  Start({1, 0});
  const AttemptPtr attempt = NewAttempt(1, "echo");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  pool().Stop(attempt, StopReason::kCancelled);
  pool().Stop(NewAttempt(9, "echo"), StopReason::kCancelled);
  ASSERT_EQ(SubmitOne(2, "echo"), 1);
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_THAT(events_->ended(), ElementsAre(1, 2));
}

TEST_P(PoolConformance, StopsThatRaceWithTheRunLoseNothing) {
  constexpr size_t kAttempts = 2000;
  Start({2, kAttempts});
  std::vector<AttemptPtr> attempts = NewAttempts(1, kAttempts, "echo");
  const std::vector<AttemptPtr> kept = attempts;
  std::thread stopper([this, &kept] {
    for (size_t i = 0; i < kept.size(); i += 3) pool().Stop(kept[i], StopReason::kCancelled);
  });
  std::span<AttemptPtr> rest(attempts);
  while (!rest.empty()) {
    rest = rest.subspan(pool().Submit(rest.first(std::min<size_t>(rest.size(), 10))));
  }
  stopper.join();
  ASSERT_TRUE(events_->WaitForEnded(kAttempts));
  std::vector<uint64_t> ended = events_->ended();
  std::sort(ended.begin(), ended.end());
  EXPECT_EQ(std::unique(ended.begin(), ended.end()), ended.end());
  EXPECT_EQ(ended.size(), kAttempts);
}

TEST_P(PoolConformance, TakeBackReturnsWhatWaitsTheLastFirst) {
  Start({1, 10});
  ASSERT_EQ(Submit(NewAttempts(1, 6, "wait")), 6);
  ASSERT_TRUE(events_->WaitForBegun(1));
  const auto take_back = [this](size_t count) {
    std::vector<uint64_t> tokens;
    for (const AttemptPtr& attempt : pool().TakeBack(count)) {
      tokens.push_back(attempt->info().token);
    }
    return tokens;
  };
  EXPECT_THAT(take_back(0), ElementsAre());
  EXPECT_THAT(take_back(2), ElementsAre(6, 5));
  EXPECT_EQ(SubmitOne(7, "wait"), 1) << "the pool is open";
  EXPECT_THAT(take_back(100), ElementsAre(7, 4, 3, 2));
  EXPECT_THAT(take_back(100), ElementsAre());
  door_->Open();
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(pool().Shutdown(kGenerous), 0);
  EXPECT_THAT(events_->ended(), ElementsAre(1));
}

TEST_P(PoolConformance, AClosedPoolTakesNothingAndFinishesWhatItHas) {
  Start({1, 10});
  ASSERT_EQ(Submit(NewAttempts(1, 4, "wait")), 4);
  pool().Close();
  EXPECT_EQ(SubmitOne(5, "wait"), 0);
  door_->Open();
  ASSERT_TRUE(events_->WaitForEnded(4));
}

TEST_P(PoolConformance, ShutdownReleasesWhatWaitsAndStopsWhatRuns) {
  Start({1, 10});
  ASSERT_EQ(Submit(NewAttempts(1, 3, "wait_for_stop")), 3);
  ASSERT_TRUE(events_->WaitForBegun(1));
  EXPECT_EQ(pool().Shutdown(kGenerous), 0);
  EXPECT_EQ(events_->ended().size(), 3);
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kReleased) << "it stopped for the shutdown";
  EXPECT_EQ(events_->result(2).end, AttemptEnd::kReleased);
  EXPECT_EQ(events_->result(3).end, AttemptEnd::kReleased);
  EXPECT_EQ(events_->begun().size(), 1);
  EXPECT_EQ(SubmitOne(4, "echo"), 0);
  EXPECT_EQ(pool().Shutdown(milliseconds(0)), 0);
}

TEST_P(PoolConformance, ShutdownOfAnIdlePoolAbandonsNothing) {
  Start({8, 0});
  EXPECT_EQ(pool().Shutdown(milliseconds(0)), 0);
}

TEST_P(PoolConformance, AHandlerThatDoesNotStopIsAbandonedAndEndsLater) {
  Start({2, 0});
  ASSERT_EQ(SubmitOne(1, "wait"), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  EXPECT_EQ(pool().Shutdown(milliseconds(1)), 1);
  live_.reset();
  EXPECT_TRUE(events_->ended().empty());
  door_->Open();
  ASSERT_TRUE(events_->WaitForEnded(1));
}

TEST_P(PoolConformance, SubmitsThatRaceWithShutdownAreEitherTakenOrLeft) {
  Start({2, 50});
  std::atomic<size_t> taken = 0;
  std::thread submitter([this, &taken] {
    for (uint64_t token = 1; token <= 20'000; token += 10) {
      taken += Submit(NewAttempts(token, 10, "echo"));
    }
  });
  ASSERT_TRUE(events_->WaitForEnded(50));
  EXPECT_EQ(pool().Shutdown(kGenerous), 0);
  submitter.join();
  EXPECT_EQ(events_->ended().size(), taken);
}

TEST_P(PoolConformance, ProgressGoesOutWhileTheHandlerRuns) {
  handlers_->Add("report", [](TaskContext& context, std::string) {
    context.ReportProgress(0.5, "half way");
    return AttemptResult::Succeeded("", "");
  });
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "report"), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_THAT(events_->progress(), ElementsAre(std::tuple(1, 0.5, "half way")));
}

INSTANTIATE_TEST_SUITE_P(Pools, PoolConformance,
                         ::testing::Values(std::pair("Thread", FactoryOf<LiveThreadPool>()),
                                           std::pair("Manual", FactoryOf<LiveManualPool>())),
                         [](const auto& param_info) {
                           return std::string(param_info.param.first);
                         });

}  // namespace
}  // namespace treadle::worker
