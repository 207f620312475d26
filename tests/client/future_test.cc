#include "treadle/future.h"

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/fake_broker.h"
#include "treadle/executor.h"
#include "treadle/task_type.h"

namespace treadle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TaskType<int(int)> kSquare{"square"};
constexpr TaskType<void()> kPing{"ping"};

class FutureTest : public ::testing::Test {
 protected:
  FutureTest() { std::tie(client_, stream_) = broker_.Connect(); }

  FakeBroker broker_;
  std::unique_ptr<Client> client_;
  std::shared_ptr<FakeStream> stream_;
};

TEST_F(FutureTest, ASubmitBringsItsResult) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 12);
  EXPECT_FALSE(future.Done());
  EXPECT_EQ(future.Id(), "");
  const test::SequencedTask task = stream_->Tasks(1)[0];
  EXPECT_EQ(task.sequence(), 1u);
  EXPECT_EQ(task.task().queue(), "cpu");
  EXPECT_EQ(task.task().type(), "square");
  EXPECT_EQ(task.task().payload(), "12");
  EXPECT_EQ(task.task().content_type(), "application/json");
  EXPECT_EQ(task.task().durability(), v1::DURABILITY_SYNCED);
  stream_->Accept(1, 1, v1::DURABILITY_WRITTEN);
  const absl::StatusOr<Acceptance> acceptance = future.Accepted();
  ASSERT_TRUE(acceptance.ok()) << acceptance.status();
  EXPECT_EQ(acceptance->task_id, IdOf(7, 1));
  EXPECT_EQ(acceptance->durability, Durability::kWritten);
  EXPECT_FALSE(acceptance->existing);
  EXPECT_EQ(future.Id(), IdOf(7, 1));
  EXPECT_FALSE(future.Done());
  stream_->Succeed(IdOf(7, 1), "144", "application/json");
  EXPECT_EQ(*future.Result(), 144);
  EXPECT_EQ(*future.Result(), 144);  // as often as asked
  EXPECT_TRUE(future.Done());
  EXPECT_FALSE(future.Error().has_value());
  EXPECT_EQ(future.Accepted()->task_id, IdOf(7, 1));
}

TEST_F(FutureTest, OptionsOfOneSubmitReplaceTheExecutors) {
  ExecutorOptions options("mail");
  options.submit.priority = 1;
  options.submit.headers = {{"tenant", "a"}};
  const Executor executor(*client_, options);
  const Future<void> first = executor.Submit(kPing);
  SubmitOptions own;
  own.priority = 9;
  const Future<void> second = executor.Submit(own, kPing);
  const std::vector<test::SequencedTask> tasks = stream_->Tasks(2);
  EXPECT_EQ(tasks[0].task().priority(), 1);
  EXPECT_EQ(tasks[0].task().headers().at("tenant"), "a");
  EXPECT_EQ(tasks[1].task().queue(), "mail");
  EXPECT_EQ(tasks[1].task().priority(), 9);
  EXPECT_TRUE(tasks[1].task().headers().empty());
  EXPECT_EQ(tasks[1].task().payload(), "");
}

TEST_F(FutureTest, AVoidResultIsAStatus) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<void> future = executor.Submit(kPing);
  stream_->Tasks(1);
  stream_->Succeed(IdOf(7, 1), "");
  EXPECT_EQ(future.Result(), absl::OkStatus());
}

TEST_F(FutureTest, AFailedTaskTellsItsErrorWhole) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 1);
  stream_->Tasks(1);
  stream_->Accept(1, 1);
  stream_->Fail(IdOf(7, 1), "std::overflow_error", "too large");
  const absl::Status status = future.Result().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(std::string(status.message()), HasSubstr("std::overflow_error: too large"));
  const std::optional<TaskError> error = future.Error();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->type, "std::overflow_error");
  EXPECT_EQ(error->worker, "loom:12");
  EXPECT_EQ(error->attempt, 3);
  EXPECT_EQ(GetTaskError(status)->message, "too large");
}

TEST_F(FutureTest, ARefusedSubmitEndsWithTheBrokersWords) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 1);
  stream_->Tasks(1);
  stream_->Refuse(1, absl::ResourceExhaustedError("queue 'cpu' is full"));
  EXPECT_EQ(future.Result().status(), absl::ResourceExhaustedError("queue 'cpu' is full"));
  EXPECT_EQ(future.Accepted().status(), absl::ResourceExhaustedError("queue 'cpu' is full"));
  EXPECT_FALSE(future.Error().has_value());
  EXPECT_EQ(future.Id(), "");
}

TEST_F(FutureTest, ATimeoutLeavesTheFutureAsItIs) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 3);
  EXPECT_EQ(future.Accepted(1ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  const absl::Status status = future.Result(1ms).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(GetTaskError(status).has_value());
  EXPECT_FALSE(future.Done());
  stream_->Tasks(1);
  stream_->Succeed(IdOf(7, 1), "9");
  EXPECT_EQ(*future.Result(), 9);
}

TEST_F(FutureTest, AResultOfAnotherTypeIsRefused) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> number = executor.Submit(kSquare, 3);
  stream_->Tasks(1);
  stream_->Succeed(IdOf(7, 1), "\"nine\"", "application/json");
  EXPECT_EQ(number.Result().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(number.Wait(), absl::OkStatus());  // the task itself succeeded
}

TEST_F(FutureTest, AnArgumentThatCannotBeEncodedIsNotSent) {
  constexpr TaskType<void(std::string)> kGreet{"greet"};
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<void> bad = executor.Submit(kGreet, "\xff");
  EXPECT_EQ(bad.Result().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(bad.Cancel());
  const Executor bad_queue(*client_, ExecutorOptions("\xff"));
  EXPECT_EQ(bad_queue.Submit(kPing).Result().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(executor.SubmitRaw("\xff", Payload()).Result().status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(executor.SubmitRaw("raw", Payload("", "\xff")).Result().status().code(),
            absl::StatusCode::kInvalidArgument);
  // The stream is none the worse for it.
  const Future<void> good = executor.Submit(kGreet, "hello");
  EXPECT_EQ(stream_->Tasks(1)[0].sequence(), 1u);
}

TEST_F(FutureTest, RawBytesGoInAndComeOut) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const std::string bytes("\0\xff", 2);
  const Future<Payload> future = executor.SubmitRaw("thumbnail", Payload(bytes, "image/png"));
  const test::SequencedTask task = stream_->Tasks(1)[0];
  EXPECT_EQ(task.task().payload(), bytes);
  EXPECT_EQ(task.task().content_type(), "image/png");
  stream_->Succeed(IdOf(7, 1), bytes, "image/webp");
  EXPECT_EQ(*future.Result(), Payload(bytes, "image/webp"));
}

TEST_F(FutureTest, CancelGoesToTheBroker) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 1);
  stream_->Tasks(1);
  stream_->Accept(1, 1);
  ASSERT_TRUE(future.Accepted().ok());
  EXPECT_TRUE(future.Cancel());
  EXPECT_THAT(stream_->Cancels(1), ElementsAre(IdOf(7, 1)));
  v1::SessionResponse response;
  v1::Outcome& outcome = *response.add_outcomes();
  outcome.set_task_id(IdOf(7, 1));
  outcome.set_state(v1::TASK_STATE_CANCELLED);
  outcome.mutable_error()->set_type("Cancelled");
  stream_->Write(response);
  EXPECT_EQ(future.Result().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(future.Error()->end, TaskEnd::kCancelled);
  EXPECT_FALSE(future.Cancel());
}

TEST_F(FutureTest, CallbacksRunOnTheirOwnThreadInOrderOfTheEnds) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  std::promise<void> both;
  std::vector<int> order;
  std::thread::id thread;
  const Future<int> first = executor.Submit(kSquare, 1);
  const Future<int> second = executor.Submit(kSquare, 2);
  first.AddDoneCallback([&](const Future<int>& done) {
    thread = std::this_thread::get_id();
    order.push_back(*done.Result());
    both.set_value();
  });
  second.AddDoneCallback([&](const Future<int>& done) { order.push_back(*done.Result()); });
  stream_->Tasks(2);
  stream_->Succeed(IdOf(7, 2), "4");
  stream_->Succeed(IdOf(7, 1), "1");
  both.get_future().wait();
  EXPECT_THAT(order, ElementsAre(4, 1));
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST_F(FutureTest, CallbacksOfOneFutureRunInTheOrderInWhichTheyWereAdded) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 1);
  std::promise<void> last;
  std::vector<int> order;
  for (int i = 1; i <= 5; ++i) {
    future.AddDoneCallback([&, i](const Future<int>&) {
      order.push_back(i);
      if (i == 5) last.set_value();
    });
  }
  // One that has left the middle of the line.
  EXPECT_EQ(future.Wait(1ms).code(), absl::StatusCode::kDeadlineExceeded);
  stream_->Tasks(1);
  stream_->Succeed(IdOf(7, 1), "1");
  last.get_future().wait();
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(FutureTest, ACallbackOfADoneFutureRunsAtOnce) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 1);
  stream_->Tasks(1);
  stream_->Succeed(IdOf(7, 1), "1");
  ASSERT_TRUE(future.Wait().ok());
  std::thread::id thread;
  future.AddDoneCallback([&](const Future<int>&) { thread = std::this_thread::get_id(); });
  EXPECT_EQ(thread, std::this_thread::get_id());
}

TEST_F(FutureTest, ACallbackMaySubmitAndWait) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  std::promise<int> chained;
  executor.Submit(kSquare, 2).AddDoneCallback([&](const Future<int>& done) {
    chained.set_value(*executor.Submit(kSquare, *done.Result()).Result());
  });
  stream_->Tasks(1);
  stream_->Succeed(IdOf(7, 1), "4");
  EXPECT_EQ(stream_->Tasks(1)[0].task().payload(), "4");
  stream_->Succeed(IdOf(7, 2), "16");
  EXPECT_EQ(chained.get_future().get(), 16);
}

TEST_F(FutureTest, ManyThreadsMayWaitForOneFuture) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 5);
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, patient = i % 2 == 0] {
      // The impatient ones come and go.
      while (!patient && future.Wait(100us).code() == absl::StatusCode::kDeadlineExceeded) {
      }
      sum += *future.Result();
    });
  }
  stream_->Tasks(1);
  stream_->Succeed(IdOf(7, 1), "25");
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 100);
}

TEST_F(FutureTest, AttachFindsATaskById) {
  const Future<int> future = client_->Attach<int>(IdOf(3, 4));
  EXPECT_EQ(future.Id(), IdOf(3, 4));
  EXPECT_TRUE(future.Accepted().ok());
  EXPECT_THAT(stream_->Awaits(1), ElementsAre(IdOf(3, 4)));
  stream_->Succeed(IdOf(3, 4), "8");
  EXPECT_EQ(*future.Result(), 8);

  const Future<int> unknown = client_->Attach<int>(IdOf(3, 5));
  stream_->Awaits(1);
  stream_->Unknown(IdOf(3, 5));
  EXPECT_EQ(unknown.Result().status().code(), absl::StatusCode::kNotFound);

  EXPECT_EQ(client_->Attach<int>("nonsense").Result().status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(FutureTest, PendingFuturesEndWithTheClient) {
  std::vector<Future<int>> futures;
  std::atomic<int> callbacks = 0;
  {
    const Executor executor(*client_, ExecutorOptions("cpu"));
    for (int i = 0; i < 100; ++i) futures.push_back(executor.Submit(kSquare, i));
    for (const Future<int>& future : futures) {
      future.AddDoneCallback([&](const Future<int>&) { ++callbacks; });
    }
    stream_->Tasks(100);
    stream_->Accept(1, 50);
  }
  std::thread waiter(
      [&] { EXPECT_EQ(futures[99].Result().status().code(), absl::StatusCode::kAborted); });
  client_.reset();
  EXPECT_EQ(callbacks, 100);
  for (const Future<int>& future : futures) {
    EXPECT_EQ(future.Result().status().code(), absl::StatusCode::kAborted);
    EXPECT_FALSE(future.Cancel());
  }
  waiter.join();
}

TEST_F(FutureTest, SubmitsAfterShutdownAreNotSent) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  client_->Shutdown();
  client_->Shutdown();
  EXPECT_EQ(executor.Submit(kPing).Result().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client_->Attach<void>(IdOf(3, 4)).Result().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace treadle
