#include "client/future/future_state.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/future/callback_thread.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/manual_future.h"
#include "treadle/wait.h"

// Where the session's thread and users' threads meet.

namespace treadle::client {
namespace {

using namespace std::chrono_literals;
using test::ManualFuture;
using ::testing::ElementsAre;

class RecordingListener final : public Listener {
 public:
  RecordingListener(int number, std::vector<int>& order)
      : Listener(Until::kDone), number_(number), order_(order) {}
  void OnReached(Wakeups&) override { order_.push_back(number_); }

 private:
  const int number_;
  std::vector<int>& order_;
};

TEST(FutureState, ThoseThatWereMadeTogetherGoOneByOne) {
  for (const size_t count : {0, 1, 2, 32, 33, 70}) {
    std::vector<FutureStateRef> states = FutureState::Make(count, nullptr, nullptr);
    ASSERT_EQ(states.size(), count);
    for (size_t i = 0; i < count; ++i) states[i]->result = std::string(100, static_cast<char>(i));
    for (size_t i = 0; i < count; i += 2) states[i] = FutureStateRef();
    for (size_t i = 1; i < count; i += 2) {
      EXPECT_EQ(states[i]->result, std::string(100, static_cast<char>(i)));
    }
  }
}

TEST(FutureState, ListenersAreToldInTheOrderInWhichTheyCame) {
  ManualFuture<int> task;
  std::vector<int> order;
  std::vector<std::unique_ptr<RecordingListener>> listeners;
  for (int i = 0; i < 6; ++i) {
    listeners.push_back(std::make_unique<RecordingListener>(i, order));
    ASSERT_TRUE(task.state()->Listen(*listeners.back()));
  }
  // The first, the last and one in the middle go, and come again.
  for (const size_t i : {0, 5, 3}) task.state()->Unlisten(*listeners[i]);
  for (const size_t i : {3, 0}) ASSERT_TRUE(task.state()->Listen(*listeners[i]));
  task.Succeed("1");
  EXPECT_THAT(order, ElementsAre(1, 2, 4, 3, 0));
  EXPECT_FALSE(task.state()->Listen(*listeners[5]));
}

TEST(FutureState, AllListenersMayGo) {
  ManualFuture<int> task;
  std::vector<int> order;
  RecordingListener first(1, order);
  RecordingListener second(2, order);
  for (RecordingListener* listener : {&first, &second}) {
    ASSERT_TRUE(task.state()->Listen(*listener));
    task.state()->Unlisten(*listener);
  }
  ASSERT_TRUE(task.state()->Listen(second));
  task.Succeed("1");
  EXPECT_THAT(order, ElementsAre(2));
}

// Holds up whoever tells it, with the future's lock held.
class HoldingListener final : public Listener {
 public:
  HoldingListener() : Listener(Until::kDone) {}
  void OnReached(Wakeups&) override {
    reached.set_value();
    release.get_future().wait();
  }

  std::promise<void> reached;
  std::promise<void> release;
};

TEST(FutureState, AListenerThatHasArrivedStaysUntilItsTellerIsDone) {
  ManualFuture<int> task;
  const auto point = std::make_shared<WaitPoint>();
  std::optional<PointListener> listener(std::in_place, task.state(), Listener::Until::kDone, point);
  ASSERT_TRUE(listener->Start());
  HoldingListener holding;
  ASSERT_TRUE(task.state()->Listen(holding));
  std::thread session([&] { task.Succeed("1"); });
  holding.reached.get_future().wait();
  // A waiter whose time is over just then finds the arrival, and goes.
  EXPECT_TRUE(point->Next(std::chrono::steady_clock::now()).has_value());
  auto going = std::async(std::launch::async, [&] { listener.reset(); });
  EXPECT_EQ(going.wait_for(100ms), std::future_status::timeout);
  holding.release.set_value();
  going.get();
  session.join();
}

TEST(FutureState, WaitersThatComeAndGoMeetTheEnd) {
  constexpr int kTasks = 2'000;
  std::vector<ManualFuture<int>> tasks(kTasks);
  std::atomic<int> sum = 0;
  std::atomic<int> callbacks = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, patient = i % 2 == 0] {
      for (const ManualFuture<int>& task : tasks) {
        const Future<int> future = task.future();
        while (!patient && future.Wait(1us).code() == absl::StatusCode::kDeadlineExceeded) {
        }
        future.AddDoneCallback([&](const Future<int>&) { ++callbacks; });
        sum += *future.Result();
      }
    });
  }
  threads.emplace_back([&] {
    std::vector<Future<int>> futures;
    for (const ManualFuture<int>& task : tasks) futures.push_back(task.future());
    for (const Future<int>& future : AsCompleted(futures)) {
      sum += *future.Result();
      EXPECT_FALSE(future.Cancel());
    }
  });
  for (ManualFuture<int>& task : tasks) {
    task.future().Cancel();
    task.Succeed("1");
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 5 * kTasks);
  EXPECT_EQ(callbacks, 4 * kTasks);
}

TEST(CallbackThread, RunsAllThatWasPostedInOrder) {
  std::vector<int> order;
  {
    CallbackThread thread;
    for (int i = 0; i < 100; ++i) {
      std::vector<absl::AnyInvocable<void()>> callbacks;
      callbacks.emplace_back([&order, i] { order.push_back(2 * i); });
      callbacks.emplace_back([&order, i] { order.push_back(2 * i + 1); });
      thread.Post(std::move(callbacks));
    }
  }
  ASSERT_EQ(order.size(), 200u);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace treadle::client
