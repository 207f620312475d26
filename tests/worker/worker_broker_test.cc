#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/trace_context.h"
#include "tests/support/local_server.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/with_broker.h"
#include "tests/worker/pool/meeting.h"
#include "treadle/exec_task.h"
#include "treadle/treadle.h"
#include "treadle/worker.h"
#include "worker/exec/exec_handler.h"

// The Worker against a real broker, with the real client.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::ConnectTo;
using test::kPatience;
using test::LocalServer;
using test::LocalServerOptions;
using test::TemporaryFolder;
using ::testing::HasSubstr;
using testing::LocalWorker;
using worker::Door;

constexpr TaskType<int64_t(int64_t)> kSquare{"square"};
constexpr TaskType<std::string(std::string)> kMark{"mark"};
constexpr TaskType<void()> kFail{"fail"};
constexpr TaskType<void()> kWait{"wait"};
constexpr TaskType<std::string()> kSleep{"sleep"};

// At the broker of `address`; of a LocalBroker, LocalWorker has it.
WorkerOptions Quiet(const std::string& address = "") {
  WorkerOptions options(address);
  options.queues = {"cpu"};
  options.concurrency = 2;
  options.log = [](LogLevel, std::string_view) {};
  return options;
}

template <typename Condition>
bool Eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

class WorkerBrokerTest : public test::WithBroker {
 protected:
  v1::TaskState StateOf(const FutureBase& future) {
    const absl::StatusOr<v1::Task> task = client_->GetTask(future.Id());
    return task.ok() ? task->state() : v1::TASK_STATE_UNSPECIFIED;
  }
  bool AwaitRunning(const FutureBase& future) {
    return future.Accepted(kPatience).ok() &&
           Eventually([&] { return StateOf(future) == v1::TASK_STATE_RUNNING; });
  }
};

TEST_F(WorkerBrokerTest, ASignalDrainsAndTheExitCodeSaysSo) {
  WorkerOptions options = Quiet(broker_->address());
  options.prefetch = 0;
  Worker worker(std::move(options));
  Door door;
  worker.Handle(kSquare, [&](TaskContext&, int64_t n) {
    door.Pass();
    return n * n;
  });
  const Future<int64_t> running = executor_.Submit(kSquare, 3);
  std::thread signals([&] {
    EXPECT_TRUE(broker_->AwaitStart(running).ok());
    const WorkerStats stats = worker.Stats();
    EXPECT_EQ(stats.pools.at(0).name, "thread");
    EXPECT_EQ(stats.pools.at(0).slots, 2);
    EXPECT_EQ(stats.pools.at(0).running, 1);
    ::kill(::getpid(), SIGTERM);
    door.Open();
  });
  EXPECT_EQ(worker.RunUntilSignal(), EXIT_SUCCESS);
  signals.join();
  EXPECT_EQ(*running.Result(kPatience), 9);
  EXPECT_EQ(worker.Stats().succeeded, 1);
  EXPECT_EQ(worker.Stats().pools.at(0).running, 0);
  Worker empty(Quiet(broker_->address()));
  EXPECT_EQ(empty.RunUntilSignal(), EXIT_FAILURE) << "no handlers";
}

TEST_F(WorkerBrokerTest, WhatAHandlerSubmitsHasItsTrace) {
  LocalWorker worker(*broker_, Quiet());
  worker->Handle(kSleep, [&](TaskContext&) {
    return executor_.Submit(kMark, "x").Result(kPatience).value_or("failed");
  });
  worker->Handle(kMark, [](TaskContext& context, std::string) {
    const auto found = context.headers().find("traceparent");
    return found == context.headers().end() ? std::string("none") : found->second;
  });
  worker.Start();
  const std::string given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto traced = executor_.Submit(SubmitOptions().Traceparent(given), kSleep);
  const std::string child = traced.Result(kPatience).value_or("failed");
  EXPECT_EQ(child, AttemptTraceParent(given, traced.Id(), 1));
  EXPECT_EQ(*executor_.Submit(kMark, "x").Result(kPatience), "none");
}

TEST_F(WorkerBrokerTest, AHandlersClientSubmitsChildrenThatAreCancelledWithIt) {
  LocalWorker worker(*broker_, Quiet());
  std::promise<std::string> child_id;
  worker->Handle(kMark, [&](TaskContext& context, const std::string& child_queue) {
    const Executor executor(context.client(), child_queue);
    const Future<int64_t> child = executor.Submit(kSquare, 3);
    EXPECT_TRUE(child.Accepted(kPatience).ok());
    child_id.set_value(child.Id());
    return child.Result().status().ToString();
  });
  worker.Start();
  const Future<std::string> parent =
      executor_.Submit(SubmitOptions().Header("tenant", "t").Deadline(1h), kMark, "children");
  const std::string child = child_id.get_future().get();
  const absl::StatusOr<v1::Task> shown = client_->GetTask(child);
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_GT(shown->deadline_at_ms(), 0);
  parent.Cancel();
  EXPECT_TRUE(Eventually([&] {
    const absl::StatusOr<v1::Task> task = client_->GetTask(child);
    return task.ok() && task->state() == v1::TASK_STATE_CANCELLED;
  }));
  // The handler was woken by its child's end, and told how it was.
  EXPECT_TRUE(parent.Wait(kPatience).ok());
}

TEST_F(WorkerBrokerTest, TypedTasksGoThereAndBack) {
  LocalWorker worker(*broker_, Quiet());
  worker->Handle(kSquare, [](TaskContext&, int64_t n) { return n * n; });
  worker.Start();
  std::vector<int64_t> numbers(2'000);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int64_t>(i);
  int64_t n = 0;
  for (const absl::StatusOr<int64_t>& square : executor_.Map(kSquare, numbers)) {
    ASSERT_TRUE(square.ok()) << square.status();
    ASSERT_EQ(*square, n * n);
    ++n;
  }
  EXPECT_TRUE(worker.Stop().ok());
}

TEST_F(WorkerBrokerTest, FailuresAreRetriedAndThenTold) {
  LocalWorker worker(*broker_, Quiet());
  std::atomic<int> runs = 0;
  worker->Handle(kFail, [&runs](TaskContext& context) {
    ++runs;
    EXPECT_EQ(context.attempt(), runs);
    throw std::out_of_range("row 7");
  });
  worker.Start();
  SubmitOptions options;
  options.retry.emplace().initial_delay = 1ms;
  const Future<void> future = executor_.Submit(options, kFail);
  EXPECT_FALSE(future.Wait(kPatience).ok());
  ASSERT_TRUE(future.Error().has_value());
  EXPECT_EQ(future.Error()->type, "std::out_of_range");
  EXPECT_EQ(future.Error()->message, "row 7");
  EXPECT_EQ(future.Error()->attempts, 3);
  EXPECT_FALSE(future.Error()->worker.empty());
  EXPECT_EQ(runs, 3);
}

TEST_F(WorkerBrokerTest, APermanentErrorIsNotRetried) {
  LocalWorker worker(*broker_, Quiet());
  worker->Handle(kFail, [](TaskContext&) { return Permanent(absl::NotFoundError("gone")); });
  worker.Start();
  const Future<void> future = executor_.Submit(kFail);
  EXPECT_EQ(future.Wait(kPatience).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(future.Error()->attempts, 1);
}

TEST_F(WorkerBrokerTest, ACancelStopsTheRunningHandler) {
  LocalWorker worker(*broker_, Quiet());
  // A task that the broker calls running may still be on its way to its handler.
  std::promise<void> began;
  std::atomic<StopReason> reason = StopReason::kNone;
  worker->Handle(kWait, [&](TaskContext& context) {
    began.set_value();
    EXPECT_FALSE(context.SleepFor(kPatience));
    reason = context.stop_reason();
  });
  worker.Start();
  const Future<void> future = executor_.Submit(kWait);
  ASSERT_EQ(began.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(future.Cancel());
  EXPECT_EQ(future.Wait(kPatience).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(reason, StopReason::kCancelled);
}

TEST_F(WorkerBrokerTest, AnAttemptThatTakesTooLongIsStoppedAndFails) {
  LocalWorker worker(*broker_, Quiet());
  worker->Handle(kSleep, [](TaskContext& context) {
    EXPECT_TRUE(context.deadline().has_value());
    return context.SleepFor(kPatience) ? "slept" : "woken";
  });
  worker.Start();
  SubmitOptions options;
  options.max_attempts = 1;
  options.attempt_timeout = 30ms;
  const Future<std::string> future = executor_.Submit(options, kSleep);
  EXPECT_EQ(future.Wait(kPatience).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(future.Error()->type, kAttemptTimeoutError);
}

TEST_F(WorkerBrokerTest, ADeadlineStopsTheRunningHandler) {
  LocalWorker worker(*broker_, Quiet());
  std::atomic<bool> woken = false;
  worker->Handle(kWait, [&woken](TaskContext& context) { woken = !context.SleepFor(kPatience); });
  worker.Start();
  SubmitOptions options;
  options.deadline = 200ms;
  const Future<void> future = executor_.Submit(options, kWait);
  EXPECT_EQ(future.Wait(kPatience).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(future.Error()->end, TaskEnd::kExpired);
  EXPECT_TRUE(worker.Stop().ok());
}

TEST_F(WorkerBrokerTest, ProgressReachesThoseWhoWatch) {
  LocalWorker worker(*broker_, Quiet());
  Door door;
  worker->Handle(kWait, [&door](TaskContext& context) {
    context.ReportProgress(0.5, "half way");
    EXPECT_TRUE(door.Pass());
  });
  worker.Start();
  const Future<void> future = executor_.Submit(kWait);
  ASSERT_TRUE(future.Accepted(kPatience).ok());
  const absl::StatusOr<v1::Outcome> outcome = client_->WatchTask(
      future.Id(),
      [&door](const v1::Task& task) {
        if (task.progress().message() == "half way") door.Open();
        return true;
      },
      kPatience);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->state(), v1::TASK_STATE_SUCCEEDED);
}

TEST_F(WorkerBrokerTest, OnlyTypesThatAreHandledArrive) {
  LocalWorker worker(*broker_, Quiet());
  worker->Handle(kMark, [](TaskContext&, const std::string& text) { return text; });
  worker.Start();
  const Future<int64_t> nobodys = executor_.Submit(kSquare, 3);
  EXPECT_EQ(executor_.Submit(kMark, "mine").Result(kPatience).value_or(""), "mine");
  EXPECT_EQ(StateOf(nobodys), v1::TASK_STATE_QUEUED);
}

TEST_F(WorkerBrokerTest, ADrainingWorkerHandsItsTasksToTheNextWithoutSpendingAnAttempt) {
  WorkerOptions options = Quiet(broker_->address());
  options.concurrency = 1;
  options.prefetch = 5;
  options.drain_timeout = 1ms;
  LocalWorker leaving(*broker_, options);
  leaving->Handle(kWait, [](TaskContext& context) { EXPECT_FALSE(context.SleepFor(kPatience)); });
  leaving.Start();
  std::vector<Future<void>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(executor_.Submit(kWait));
  for (const Future<void>& future : futures) ASSERT_TRUE(AwaitRunning(future));
  EXPECT_TRUE(leaving.Stop().ok());

  LocalWorker next(*broker_, Quiet());
  next->Handle(kWait, [](TaskContext& context) { EXPECT_EQ(context.attempt(), 1); });
  next.Start();
  for (const Future<void>& future : futures) EXPECT_TRUE(future.Wait(kPatience).ok());
}

TEST_F(WorkerBrokerTest, AnOperatorsDrainEndsTheWorkerWhenWhatItRunsHasEnded) {
  WorkerOptions options = Quiet(broker_->address());
  options.name = "leaving";
  LocalWorker worker(*broker_, options);
  std::promise<void> go_on;
  std::shared_future<void> told = go_on.get_future().share();
  worker->Handle(kWait, [told](TaskContext&) { told.wait(); });
  worker.Start();
  const Future<void> running = executor_.Submit(kWait);
  ASSERT_TRUE(broker_->AwaitStart(running).ok());  // one that has not begun would be handed back
  v1::DrainWorkersRequest drain;
  drain.set_worker("leav*");
  const auto drained = client_->DrainWorkers(drain);
  ASSERT_TRUE(drained.ok()) << drained.status();
  EXPECT_EQ(drained->workers(), 1);
  const Future<void> next = executor_.Submit(kWait);
  EXPECT_TRUE(next.Accepted(kPatience).ok());
  go_on.set_value();
  EXPECT_TRUE(running.Wait(kPatience).ok());
  EXPECT_TRUE(worker.Join().ok());
  EXPECT_EQ(StateOf(next), v1::TASK_STATE_QUEUED);
}

TEST_F(WorkerBrokerTest, ProgramsRunAsTasks) {
  LocalWorker worker(*broker_, Quiet());
  worker::HandlePrograms(*worker, {"/bin/cat", "/bin/sh"}, worker::ExecOptions());
  worker.Start();
  std::string large(3 << 20, 'x');
  const absl::StatusOr<Bytes> output = SubmitExec(executor_, {"/bin/cat"}, large).Result(kPatience);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_TRUE(output->data == large);
  SubmitOptions once;
  once.max_attempts = 1;
  const Future<Bytes> failed =
      SubmitExec(executor_, {"/bin/sh", "-c", "echo oops >&2; exit 3"}, "", once);
  EXPECT_FALSE(failed.Wait(kPatience).ok());
  EXPECT_EQ(failed.Error()->type, kExitStatusError);
  EXPECT_THAT(failed.Error()->message, HasSubstr("exit status 3: oops"));
}

TEST_F(WorkerBrokerTest, TwoWorkersShareTheWork) {
  WorkerOptions options = Quiet(broker_->address());
  options.concurrency = 1;
  LocalWorker first(*broker_, options), second(*broker_, options);
  worker::Meeting meeting(2);
  for (LocalWorker* worker : {&first, &second}) {
    (*worker)->Handle(kWait, [&meeting](TaskContext&) { EXPECT_TRUE(meeting.Attend()); });
    worker->Start();
  }
  const Future<void> one = executor_.Submit(kWait), other = executor_.Submit(kWait);
  EXPECT_TRUE(one.Wait(kPatience).ok());
  EXPECT_TRUE(other.Wait(kPatience).ok());
}

TEST_F(WorkerBrokerTest, ARunningTaskSurvivesItsLostConnection) {
  test::TcpProxy proxy(test::PortOf(*broker_));
  LocalWorker worker(Quiet(proxy.address()));
  std::atomic<int> runs = 0;
  Door door;
  worker->Handle(kWait, [&](TaskContext& context) {
    ++runs;
    EXPECT_EQ(context.attempt(), 1);
    EXPECT_TRUE(door.Pass());
  });
  worker.Start();
  const Future<void> future = executor_.Submit(kWait);
  ASSERT_TRUE(Eventually([&] { return runs == 1; }));
  proxy.Cut();
  door.Open();
  EXPECT_TRUE(future.Wait(kPatience).ok());
  EXPECT_EQ(runs, 1);
}

// A LocalServer, for its rows on the disk.
TEST(WorkerAndRestart, ARunningTaskSurvivesTheRestartOfItsBroker) {
  const TemporaryFolder folder;
  LocalServerOptions options;
  options.data_directory = folder.path();
  auto server = std::make_unique<LocalServer>(options);
  options.listen = server->address();
  const std::unique_ptr<Client> client = ConnectTo(server->address());
  const Executor executor(*client, ExecutorOptions("cpu"));
  WorkerOptions worker_options = Quiet(server->address());
  worker_options.concurrency = 1;
  worker_options.prefetch = 10;
  LocalWorker worker(worker_options);
  std::atomic<int> runs = 0;
  Door door;
  worker->Handle(kWait, [&](TaskContext& context) {
    ++runs;
    EXPECT_EQ(context.attempt(), 1);
    EXPECT_TRUE(door.Pass());
  });
  worker.Start();
  std::vector<Future<void>> futures;
  for (int i = 0; i < 8; ++i) futures.push_back(executor.Submit(kWait));
  for (const Future<void>& future : futures) ASSERT_TRUE(future.Accepted(kPatience).ok());
  ASSERT_TRUE(Eventually([&] { return runs == 1; }));
  server.reset();
  server = std::make_unique<LocalServer>(options);
  door.Open();
  for (const Future<void>& future : futures) EXPECT_TRUE(future.Wait(kPatience).ok());
  EXPECT_EQ(runs, 8) << "each once";
  EXPECT_TRUE(worker.Stop().ok());
}

TEST(WorkerOptionsCheck, WhatIsWrongIsSaidBeforeAnythingStarts) {
  const auto run = [](WorkerOptions options, const std::vector<std::string>& types = {"type"}) {
    Worker worker(std::move(options));
    for (const std::string& type : types) worker.HandleRaw(type, [](TaskContext&, Bytes) {});
    return worker.Run();
  };
  WorkerOptions good = Quiet("127.0.0.1:1");
  EXPECT_EQ(run(good, {}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(run(good, {"a", "a"}).message()), HasSubstr("'a' has two handlers"));
  EXPECT_EQ(run(good, {"\xFF"}).code(), absl::StatusCode::kInvalidArgument);
  WorkerOptions bad = good;
  bad.concurrency = -1;
  EXPECT_THAT(std::string(run(bad).message()), HasSubstr("concurrency is -1: choose 0 to 10000"));
  bad = good;
  bad.broker = "http://127.0.0.1:7733";
  EXPECT_THAT(std::string(run(bad).message()), HasSubstr("is a URL"));
  bad.broker = "127.0.0.1:73269";
  EXPECT_THAT(std::string(run(bad).message()), HasSubstr("from 1 to 65535"));
  bad = good;
  bad.prefetch = 100'000;
  EXPECT_THAT(std::string(run(bad).message()), HasSubstr("prefetch is 100000"));
  bad = good;
  bad.drain_timeout = std::chrono::hours::max();
  EXPECT_THAT(std::string(run(bad).message()),
              HasSubstr("drain_timeout in ms is 9223372036854775807: choose 0 to 31622400000"));
  bad = good;
  bad.queues = {};
  EXPECT_EQ(run(bad).code(), absl::StatusCode::kInvalidArgument);
  bad.queues = {"mail\n"};
  EXPECT_EQ(run(bad).code(), absl::StatusCode::kInvalidArgument);
  bad = good;
  bad.name = std::string(300, 'n');
  EXPECT_EQ(run(bad).code(), absl::StatusCode::kInvalidArgument);
  bad = good;
  bad.thread_initializer = [](int) { throw std::runtime_error("no GPU"); };
  EXPECT_THAT(std::string(run(bad).message()), HasSubstr("no GPU"));
}

TEST_F(WorkerBrokerTest, WhatTheBrokerDoesNotAcceptIsTheReasonWhyRunReturns) {
  WorkerOptions options = Quiet(broker_->address());
  options.queues = std::vector<std::string>(300, "queue");
  Worker worker(options);
  worker.HandleRaw("type", [](TaskContext&, Bytes) {});
  EXPECT_EQ(worker.Run().code(), absl::StatusCode::kInvalidArgument);
}

// A message on these links takes longer than a peer may be silent, and than a lease lasts.
constexpr int64_t kSlowLinkBytesPerSecond = 150'000;
constexpr size_t kLargeBytes = 1'800'000;

class SlowLinkTest : public test::WithBroker {
 protected:
  static testing::LocalBrokerOptions ShortLeases() {
    testing::LocalBrokerOptions options;
    options.lease = 2s;
    return options;
  }
  SlowLinkTest() : WithBroker(ShortLeases()) {}

  test::TcpProxy link_{test::PortOf(*broker_)};
};

TEST_F(SlowLinkTest, ALargeTaskAndItsResultCostTheWorkerNeitherStreamNorLease) {
  std::atomic<int> runs = 0;
  LocalWorker worker(Quiet(link_.address()));
  worker->Handle(kMark, [&](TaskContext&, std::string text) {
    ++runs;
    return text;
  });
  worker.Start();
  ASSERT_TRUE(executor_.Submit(kMark, std::string("warm")).Result(kPatience).ok());
  link_.SlowDown(kSlowLinkBytesPerSecond);
  const Future<std::string> large = executor_.Submit(kMark, std::string(kLargeBytes, 'x'));
  const absl::StatusOr<std::string> result = large.Result(2 * kPatience);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), kLargeBytes);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(client_->GetTask(large.Id())->attempts(), 1);
}

TEST_F(SlowLinkTest, ALargeTaskAndItsOutcomeDoNotCostTheClientItsStream) {
  std::atomic<int> runs = 0;
  LocalWorker worker(*broker_, Quiet());
  worker->Handle(kMark, [&](TaskContext&, std::string text) {
    ++runs;
    return text;
  });
  worker.Start();
  const std::unique_ptr<Client> client = ConnectTo(link_.address());
  const Executor executor(*client, ExecutorOptions("cpu"));
  ASSERT_TRUE(executor.Submit(kMark, std::string("warm")).Result(kPatience).ok());
  link_.SlowDown(kSlowLinkBytesPerSecond);
  const absl::StatusOr<std::string> result =
      executor.Submit(kMark, std::string(kLargeBytes, 'x')).Result(2 * kPatience);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), kLargeBytes);
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace treadle
