#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/local_server.h"
#include "tests/support/sanitized.h"
#include "tests/support/with_broker.h"
#include "tests/worker/child_killer.h"
#include "treadle/coroutine.h"
#include "treadle/treadle.h"
#include "treadle/worker.h"
#include "worker/pool/process/parent_link.h"
#include "worker/pool/process/signal_name.h"

// A worker with all its pools, against a real broker, with the real client. The children that it
// starts are this program: main() makes the same worker for them.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::kSanitized;
using ::testing::HasSubstr;
using testing::LocalWorker;

constexpr auto kPatience = 120s;

constexpr TaskType<int64_t()> kProcessId{"process_id"};
constexpr TaskType<int64_t()> kThreadsOfProcess{"threads_of_process"};
constexpr TaskType<std::string(std::string)> kEnd{"end"};
constexpr TaskType<void()> kSpin{"spin"};
constexpr TaskType<std::string(std::string, int64_t)> kNap{"nap"};
constexpr TaskType<int64_t(int64_t)> kMeet{"meet"};
constexpr TaskType<int64_t()> kCompute{"compute"};
constexpr TaskType<int64_t()> kRest{"rest"};

// Children hang at their start when they have made a file of this name.
constexpr char kHangVariable[] = "TREADLE_TEST_HANG";

// As its task says.
std::string End(TaskContext& context, const std::string& how) {
  if (how == "segv") std::raise(SIGSEGV);
  if (how == "kill") std::raise(SIGKILL);
  if (how == "abort") std::abort();
  if (how == "exit") ::_exit(3);
  if (how == "memory") {
    std::vector<std::string> hoard;
    // Nothing can be thrown from here: it is as if memory had ended in the middle of nowhere.
    const auto take = [&]() noexcept {
      for (int i = 0; i < 1'000; ++i) hoard.emplace_back(size_t{16} << 20, 'x');
    };
    take();
  }
  // Long enough for some to be at work when they are killed.
  const auto until = std::chrono::steady_clock::now() + 100us;
  while (std::chrono::steady_clock::now() < until) {
  }
  return std::to_string(context.attempt());
}

asio::awaitable<std::string> Nap(TaskContext&, const std::string& name, int64_t ms) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::milliseconds(ms));
  co_await timer.async_wait(asio::use_awaitable);
  co_return name;
}

std::atomic<int64_t> met = 0;

// Ends when so many of them run at once. Returns the thread's id.
asio::awaitable<int64_t> Meet(TaskContext&, int64_t wanted) {
  ++met;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (met < wanted) {
    timer.expires_after(50ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return int64_t{::gettid()};
}

WorkerOptions Options(std::map<std::string, RunIn> run_in = {}) {
  WorkerOptions options("127.0.0.1:1");
  options.run_in = std::move(run_in);
  options.processes = 2;
  options.concurrency = 2;
  options.child_memory_bytes_max = kSanitized ? 0 : int64_t{160} << 20;
  options.terminate_after = 100ms;
  options.log = [](LogLevel, std::string_view) {};
  if (const char* const started = std::getenv(kHangVariable)) {
    options.process_initializer = [started](int) {
      std::ofstream(started) << ::getpid();
      while (true) ::pause();
    };
  }
  return options;
}

void AddHandlers(Worker& worker) {
  worker.Handle(
      kProcessId, [](TaskContext&) { return int64_t{::getpid()}; }, RunIn::kProcess);
  worker.Handle(
      kThreadsOfProcess,
      [](TaskContext&) {
        const std::filesystem::directory_iterator threads("/proc/self/task");
        return static_cast<int64_t>(std::distance(begin(threads), end(threads)));
      },
      RunIn::kProcess);
  worker.Handle(kEnd, End, RunIn::kProcess);
  worker.Handle(
      kSpin,
      [](TaskContext&) {
        for (std::atomic<uint64_t> turns = 0;; ++turns) {
        }
      },
      RunIn::kProcess);
  worker.Handle(kNap, Nap);
  worker.Handle(kMeet, Meet);
  worker.Handle(
      kCompute,
      [](TaskContext&) {
        std::atomic<uint64_t> sum = 0;
        for (uint64_t i = 0; i < 500'000; ++i) sum += i;
        return int64_t{::getpid()};
      },
      RunIn::kAuto);
  worker.Handle(
      kRest,
      [](TaskContext& context) {
        context.SleepFor(2ms);
        return int64_t{::getpid()};
      },
      RunIn::kAuto);
}

class WorkerPoolsTest : public test::WithBroker {
 protected:
  ~WorkerPoolsTest() override {
    if (!worker_) return;
    const absl::Status status = worker_->Stop();
    EXPECT_TRUE(status.ok()) << status;
  }

  void Start(std::map<std::string, RunIn> run_in = {}) {
    WorkerOptions options = Options(std::move(run_in));
    options.queues = {"cpu"};
    worker_.emplace(*broker_, std::move(options));
    AddHandlers(**worker_);
    worker_->Start();
  }

  std::optional<LocalWorker> worker_;
};

TEST_F(WorkerPoolsTest, OneWorkerHoldsThreadsProcessesAndCoroutines) {
  Start();
  const Future<int64_t> process = executor_.Submit(kProcessId);
  const Future<int64_t> thread = executor_.Submit(kRest);
  const Future<std::string> coroutine = executor_.Submit(kNap, std::string("awake"), int64_t{1});
  EXPECT_NE(process.Result(kPatience).value_or(::getpid()), ::getpid());
  EXPECT_EQ(thread.Result(kPatience).value_or(0), ::getpid());
  EXPECT_EQ(coroutine.Result(kPatience).value_or(""), "awake");
}

TEST_F(WorkerPoolsTest, AChildHasItsTwoThreadsAndNoneOfGrpc) {
  Start();
  EXPECT_EQ(executor_.Submit(kThreadsOfProcess).Result(kPatience).value_or(0), 2);
}

TEST_F(WorkerPoolsTest, TheOperatorDecidesWhereTypesRun) {
  Start({{"process_id", RunIn::kThread}, {"nap", RunIn::kProcess}});
  EXPECT_EQ(executor_.Submit(kProcessId).Result(kPatience).value_or(0), ::getpid());
  EXPECT_EQ(executor_.Submit(kNap, std::string("awake"), int64_t{1}).Result(kPatience).value_or(""),
            "awake");
}

TEST_F(WorkerPoolsTest, AProcessHandleHasTheExitCodeOfTheChildThatRanIt) {
  Start();
  ExecutorOptions options("cpu");
  options.submit.max_attempts = 1;
  const Executor executor(*client_, options);
  std::vector<std::pair<std::string, int>> ends = {
      {"", 0}, {"kill", -SIGKILL}, {"abort", -SIGABRT}, {"exit", 3}};
  if (!kSanitized) ends.emplace_back("segv", -SIGSEGV);
  for (const auto& [how, exit_code] : ends) {
    Process process(executor, kEnd, how);
    ASSERT_TRUE(process.Start().ok());
    ASSERT_TRUE(process.Join(kPatience).ok());
    EXPECT_EQ(process.ExitCode(), exit_code) << how;
  }
}

TEST_F(WorkerPoolsTest, ATimeoutIsMeant) {
  Start();
  SubmitOptions options;
  options.attempt_timeout = 50ms;
  options.max_attempts = 1;
  const Future<void> future = executor_.Submit(options, kSpin);
  EXPECT_FALSE(future.Wait(kPatience).ok());
  EXPECT_EQ(future.Error()->type, "AttemptTimeout");
  EXPECT_THAT(future.Error()->message, HasSubstr("was ended by SIGTERM"));
  EXPECT_TRUE(executor_.Submit(kProcessId).Result(kPatience).ok());
}

TEST_F(WorkerPoolsTest, ACancelReachesTheCoroutine) {
  Start();
  const Future<std::string> future =
      executor_.Submit(kNap, std::string("never"), int64_t{3'600'000});
  ASSERT_TRUE(future.Accepted(kPatience).ok());
  while (client_->GetTask(future.Id())->state() != v1::TASK_STATE_RUNNING) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(future.Cancel());
  EXPECT_EQ(future.Wait(kPatience).code(), absl::StatusCode::kCancelled);
}

TEST_F(WorkerPoolsTest, TenThousandCoroutinesRunAtOnceOnOneThread) {
  Start();
  constexpr int64_t kTasks = 10'000;
  std::vector<Future<int64_t>> futures;
  met = 0;
  for (int64_t i = 0; i < kTasks; ++i) futures.push_back(executor_.Submit(kMeet, kTasks));
  const int64_t thread = futures[0].Result(kPatience).value_or(0);
  EXPECT_NE(thread, 0);
  for (const Future<int64_t>& future : futures) {
    ASSERT_EQ(future.Result(kPatience).value_or(-1), thread);
  }
}

TEST_F(WorkerPoolsTest, AHandlerThatComputesMovesToProcessesAndOneThatWaitsStays) {
  Start();
  bool moved = false;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!moved && std::chrono::steady_clock::now() < until) {
    std::vector<Future<int64_t>> futures;
    for (int i = 0; i < 20; ++i) {
      futures.push_back(executor_.Submit(kCompute));
      futures.push_back(executor_.Submit(kRest));
    }
    for (size_t i = 0; i < futures.size(); ++i) {
      const int64_t process = futures[i].Result(kPatience).value_or(0);
      ASSERT_NE(process, 0) << "no task is lost when a type moves";
      if (i % 2 == 1) {
        EXPECT_EQ(process, ::getpid());
      } else {
        moved |= process != ::getpid();
      }
    }
  }
  EXPECT_TRUE(moved);
}

TEST_F(WorkerPoolsTest, TheBrokerShowsHowHandlersFareAndWhereTheyWouldRunBetter) {
  Start({{"compute", RunIn::kThread}, {"rest", RunIn::kProcess}});
  std::vector<Future<int64_t>> futures;
  for (int i = 0; i < 20; ++i) {
    futures.push_back(executor_.Submit(kCompute));
    futures.push_back(executor_.Submit(kRest));
  }
  for (const Future<int64_t>& future : futures) ASSERT_TRUE(future.Wait(kPatience).ok());
  std::map<std::string, v1::HandlerStats> shown;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (shown["compute"].runs() + shown["rest"].runs() < 40) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    std::this_thread::sleep_for(5ms);
    const absl::StatusOr<std::vector<v1::Worker>> workers = client_->ListWorkers();
    ASSERT_TRUE(workers.ok()) << workers.status();
    ASSERT_EQ(workers->size(), 1u);
    for (const v1::HandlerStats& stats : (*workers)[0].handlers()) shown[stats.type()] = stats;
  }
  EXPECT_EQ(shown.size(), 8u) << "one for each handler";
  EXPECT_EQ(shown["compute"].pool(), "thread");
  EXPECT_GT(shown["compute"].cpu_ms(), 0.5 * shown["compute"].wall_ms());
  EXPECT_EQ(shown["compute"].advice(), v1::HANDLER_ADVICE_PROCESS);
  EXPECT_EQ(shown["rest"].pool(), "process");
  EXPECT_GT(shown["rest"].wall_ms(), 1);
  EXPECT_LT(shown["rest"].cpu_ms(), 0.5 * shown["rest"].wall_ms());
  EXPECT_EQ(shown["nap"].pool(), "coroutine");
  EXPECT_EQ(shown["nap"].runs(), 0);
  EXPECT_EQ(shown["nap"].advice(), v1::HANDLER_ADVICE_TOO_FEW_RUNS);
}

// Children that end themselves by what their task does, and others that are killed from outside
// whatever they do.
TEST_F(WorkerPoolsTest, KilledChildrenCostTheirOwnTasksOnly) {
  Start();
  constexpr int kTasks = 10'000;
  constexpr int kKilledEvery = 97;
  std::vector<std::pair<std::string, std::string>> ends = {
      {"kill", "SIGKILL"}, {"abort", "SIGABRT"}, {"exit", "exit code 3"}};
  std::vector<int> signals = {SIGKILL, SIGABRT};
  if (!kSanitized) {
    ends.emplace_back("segv", "SIGSEGV");
    ends.emplace_back("memory", "was ended by SIG");  // as this host bounds memory
    signals.push_back(SIGSEGV);
  }
  SubmitOptions options;
  options.max_attempts = 1;
  std::atomic<int64_t> done = 0;
  std::vector<Future<std::string>> futures;
  for (int i = 0; i < kTasks; ++i) {
    const bool killed = i % kKilledEvery == 0;
    futures.push_back(executor_.Submit(
        options, kEnd,
        killed ? ends[static_cast<size_t>(i / kKilledEvery) % ends.size()].first : std::string()));
    futures.back().AddDoneCallback([&done](const Future<std::string>&) { ++done; });
  }
  test::ChildKiller killer(signals, kTasks / 50, [&done] { return done.load(); });
  std::map<std::string, int64_t> struck;
  for (int i = 0; i < kTasks; ++i) {
    const Future<std::string>& future = futures[static_cast<size_t>(i)];
    const absl::StatusOr<std::string> result = future.Result(kPatience);
    const bool bystander = i % kKilledEvery != 0;
    if (result.ok()) {
      ASSERT_TRUE(bystander);
      ASSERT_EQ(*result, "1") << "a bystander's first attempt";
      continue;
    }
    ASSERT_TRUE(future.Error().has_value()) << i << ": " << result.status();
    const TaskError error = *future.Error();
    const auto& end = ends[static_cast<size_t>(i / kKilledEvery) % ends.size()];
    ASSERT_EQ(error.attempts, 1);
    if (!bystander && error.message.find(end.second) != std::string::npos) continue;
    // Struck from outside while it ran.
    ASSERT_EQ(error.type, "Signal") << i << ": " << error.message;
    for (const int signal : signals) {
      const std::string name = worker::SignalName(signal);
      if (error.message.find("was ended by " + name) != std::string::npos) ++struck[name];
    }
  }
  // Here, because a callback may still be at work when a result is there.
  killer.Stop();
  while (done < kTasks) std::this_thread::sleep_for(1ms);
  int64_t killed_total = 0;
  int64_t struck_total = 0;
  for (const int signal : signals) {
    const std::string name = worker::SignalName(signal);
    const int64_t sent = killer.sent().contains(signal) ? killer.sent().at(signal) : 0;
    EXPECT_LE(struck[name], sent) << "no more tasks than children were killed by " << name;
    std::printf("%s: %ld children, %ld tasks\n", name.c_str(), static_cast<long>(sent),
                static_cast<long>(struck[name]));
    killed_total += sent;
    struck_total += struck[name];
  }
  EXPECT_GT(killed_total, 0);
  EXPECT_LE(struck_total, killed_total) << "between two tasks a child's death costs none";
}

TEST(WorkerPoolsStart, EndsWhenTheWorkerIsStopped) {
  const test::TemporaryFolder folder;
  const std::string started = folder.path() + "/started";
  ::setenv(kHangVariable, started.c_str(), 1);
  Worker worker(Options());
  AddHandlers(worker);
  std::thread stopper([&] {
    while (!std::filesystem::exists(started)) std::this_thread::sleep_for(10ms);
    worker.Stop();
  });
  EXPECT_TRUE(worker.Run().ok());
  stopper.join();
  ::unsetenv(kHangVariable);
}

TEST(WorkerPoolsCheck, WhatCannotRunThereIsSaid) {
  const auto run = [](std::map<std::string, RunIn> run_in) {
    Worker worker(Options(std::move(run_in)));
    AddHandlers(worker);
    return worker.Run();
  };
  const absl::Status plain = run({{"rest", RunIn::kCoroutine}});
  EXPECT_EQ(plain.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(plain.message()), HasSubstr("type 'rest' shall run as a coroutine"));
  const absl::Status unknown = run({{"unheard_of", RunIn::kThread}});
  EXPECT_EQ(unknown.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("'unheard_of'"));
}

}  // namespace
}  // namespace treadle

int main(int argc, char** argv) {
  if (treadle::Worker::InChild()) {
    // Workers are told apart by their number, and each test has made one.
    std::deque<treadle::Worker> workers;
    const int number = std::stoi(treadle::worker::ParentLink::Key());
    for (int i = 0; i < number; ++i) {
      treadle::AddHandlers(workers.emplace_back(treadle::Options()));
    }
    return workers.back().Run().ok() ? 0 : 1;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
