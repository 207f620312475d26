#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/limits.h"
#include "proto/task/exec_task.h"
#include "tests/client/unary_worker.h"
#include "tests/support/local_server.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/with_broker.h"
#include "treadle/exec_task.h"
#include "treadle/treadle.h"

// The client library against a real broker, with a worker of the unary kind.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::ConnectTo;
using test::kPatience;
using test::LocalServer;
using test::LocalServerOptions;
using test::TcpProxy;
using test::TemporaryFolder;
using test::UnaryWorker;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr TaskType<int64_t(int64_t)> kSquare{"square"};
constexpr TaskType<int(std::string, int)> kFail{"fail"};
constexpr TaskType<void()> kNothing{"nothing"};

absl::StatusOr<Payload> Work(const v1::LeasedTask& task) {
  if (task.type() == kFail.name()) {
    auto arguments =
        DecodeArguments<decltype(kFail)::Arguments>(task.payload(), task.content_type());
    if (!arguments.ok()) return arguments.status();
    return absl::Status(static_cast<absl::StatusCode>(std::get<1>(*arguments)),
                        std::get<0>(*arguments));
  }
  if (task.type() == kSquare.name()) {
    auto arguments =
        DecodeArguments<decltype(kSquare)::Arguments>(task.payload(), task.content_type());
    if (!arguments.ok()) return arguments.status();
    const int64_t n = std::get<0>(*arguments);
    return EncodeResult(n * n);
  }
  return Payload();
}

using BrokerTest = test::WithBroker;

TEST_F(BrokerTest, WorkGoesInAndResultsComeOut) {
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  const Future<int64_t> future = executor_.Submit(kSquare, 12);
  const absl::StatusOr<Acceptance> acceptance = future.Accepted(kPatience);
  ASSERT_TRUE(acceptance.ok()) << acceptance.status();
  EXPECT_EQ(acceptance->durability, Durability::kMemory);  // all that this store can say
  EXPECT_EQ(*future.Result(kPatience), 144);
  EXPECT_EQ(executor_.Submit(kNothing).Result(kPatience), absl::OkStatus());
}

TEST(ClientAddress, WhatIsWrongIsNamedAtOnce) {
  for (const auto& [address, says] :
       std::vector<std::pair<std::string, std::string>>{{"127.0.0.1", "has no port"},
                                                        {"http://127.0.0.1:7733", "is a URL"},
                                                        {"127.0.0.1:73269", "from 1 to 65535"}}) {
    ClientOptions options;
    options.address = address;
    const absl::Status status = Client::Connect(std::move(options)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address << ": " << status;
    EXPECT_NE(status.message().find(says), absl::string_view::npos) << status;
  }
}

TEST_F(BrokerTest, AMapOfThousandsComesBackInOrder) {
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  std::vector<int64_t> inputs(5'000);
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int64_t>(i);
  int64_t expected = 0;
  for (const absl::StatusOr<int64_t>& square : executor_.Map(kSquare, inputs)) {
    ASSERT_TRUE(square.ok()) << square.status();
    ASSERT_EQ(*square, expected * expected);
    ++expected;
  }
  EXPECT_EQ(expected, 5'000);
}

TEST_F(BrokerTest, AHandlersErrorArrivesWhole) {
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  SubmitOptions once;
  once.max_attempts = 1;
  const Future<int> future =
      executor_.Submit(once, kFail, "no such loom", static_cast<int>(absl::StatusCode::kNotFound));
  const absl::Status status = future.Result(kPatience).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  const std::optional<TaskError> error = future.Error();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->type, "NOT_FOUND");
  EXPECT_EQ(error->message, "no such loom");
  EXPECT_EQ(error->attempt, 1);
  EXPECT_EQ(error->end, TaskEnd::kFailed);
}

TEST_F(BrokerTest, AFailedTaskIsTriedAgain) {
  std::atomic<int> runs = 0;
  const UnaryWorker worker(broker_->address(), "cpu", [&](const v1::LeasedTask& task) {
    return ++runs < 3 ? absl::StatusOr<Payload>(absl::InternalError("not yet")) : Work(task);
  });
  SubmitOptions retried;
  retried.retry.emplace();
  retried.retry->initial_delay = 1ms;
  EXPECT_EQ(*executor_.Submit(retried, kSquare, 3).Result(kPatience), 9);
  EXPECT_EQ(runs, 3);
}

TEST_F(BrokerTest, ACancelledTaskEndsAtOnceWhenNobodyRunsIt) {
  const Future<int64_t> future = executor_.Submit(kSquare, 1);
  EXPECT_TRUE(future.Cancel());
  EXPECT_EQ(future.Result(kPatience).status().code(), absl::StatusCode::kCancelled);
  ASSERT_TRUE(future.Error().has_value());
  EXPECT_EQ(future.Error()->end, TaskEnd::kCancelled);

  const Future<int64_t> other = executor_.Submit(kSquare, 2);
  ASSERT_TRUE(other.Accepted(kPatience).ok());
  const absl::StatusOr<v1::Task> task = client_->CancelTask(other.Id());
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(other.Result(kPatience).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(BrokerTest, ADeadlineExpiresTheTask) {
  SubmitOptions hurried;
  hurried.deadline = 20ms;
  const Future<int64_t> future = executor_.Submit(hurried, kSquare, 1);
  EXPECT_EQ(future.Result(kPatience).status().code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(future.Error().has_value());
  EXPECT_EQ(future.Error()->end, TaskEnd::kExpired);
}

TEST_F(BrokerTest, ARequestKeyNamesOneTask) {
  SubmitOptions keyed;
  keyed.request_key = "order-7";
  const Future<int64_t> first = executor_.Submit(keyed, kSquare, 4);
  const absl::StatusOr<Acceptance> accepted = first.Accepted(kPatience);
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_TRUE(accepted->no_worker);
  const std::unique_ptr<Client> other = ConnectTo(broker_->address());
  const Executor others(*other, ExecutorOptions("cpu"));
  const Future<int64_t> second = others.Submit(keyed, kSquare, 4);
  const absl::StatusOr<Acceptance> acceptance = second.Accepted(kPatience);
  ASSERT_TRUE(acceptance.ok()) << acceptance.status();
  EXPECT_TRUE(acceptance->existing);
  EXPECT_FALSE(acceptance->no_worker);
  EXPECT_EQ(second.Id(), first.Id());
  EXPECT_EQ(others.Submit(keyed, kSquare, 5).Result(kPatience).status().code(),
            absl::StatusCode::kAlreadyExists);
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  EXPECT_EQ(*first.Result(kPatience), 16);
  EXPECT_EQ(*second.Result(kPatience), 16);
}

TEST_F(BrokerTest, AFullQueueRefusesOrLetsWait) {
  v1::QueueConfig config;
  config.set_name("small");
  config.set_max_tasks(1);
  ASSERT_TRUE(client_->CreateQueue(config).ok());
  const Executor small(*client_, ExecutorOptions("small"));
  const Future<int64_t> first = small.Submit(kSquare, 1);
  ASSERT_TRUE(first.Accepted(kPatience).ok());
  const absl::Status full = small.Submit(kSquare, 2).Result(kPatience).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("small"));
  SubmitOptions patient;
  patient.wait_if_full = 60s;
  const Future<int64_t> waits = small.Submit(patient, kSquare, 3);
  EXPECT_EQ(waits.Accepted(10ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  const UnaryWorker worker(broker_->address(), "small", Work);
  EXPECT_EQ(*waits.Result(kPatience), 9);
}

TEST_F(BrokerTest, BadSubmitsAreRefusedOneByOne) {
  SubmitOptions urgent;
  urgent.priority = 5;  // the queue is FIFO
  const Future<void> bad_priority = executor_.Submit(urgent, kNothing);
  const Future<Payload> too_large =
      executor_.SubmitRaw("raw", Payload(std::string(limits::kPayloadBytesMax + 1, 'x'), ""));
  const Future<Payload> far_too_large =
      executor_.SubmitRaw("raw", Payload(std::string(9 << 20, 'x'), ""));
  const Future<void> no_name = Executor(*client_, ExecutorOptions("")).Submit(kNothing);
  const Future<void> good = executor_.Submit(kNothing);
  EXPECT_EQ(bad_priority.Wait(kPatience).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(too_large.Wait(kPatience).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(far_too_large.Wait(kPatience).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(no_name.Wait(kPatience).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(good.Accepted(kPatience).ok());
}

TEST_F(BrokerTest, ThePayloadMayBeAsLargeAsTheBoundSays) {
  const UnaryWorker worker(broker_->address(), "cpu", [](const v1::LeasedTask& task) {
    return Payload(task.payload(), task.content_type());
  });
  const std::string large(limits::kPayloadBytesMax, 'x');
  const absl::StatusOr<Payload> echoed =
      executor_.SubmitRaw("echo", Payload(large, "text/plain")).Result(kPatience);
  ASSERT_TRUE(echoed.ok()) << echoed.status();
  EXPECT_TRUE(*echoed == Payload(large, "text/plain"));
}

TEST_F(BrokerTest, ExecTasksCarryTheirArguments) {
  const UnaryWorker worker(broker_->address(), "cpu", [](const v1::LeasedTask& task) {
    EXPECT_EQ(task.type(), "exec:/usr/bin/wc");
    const auto arguments =
        exec::DecodeArguments(task.headers().at(std::string(exec::kArgumentsHeader)));
    return Payload(arguments->at(0) + ":" + task.payload(), kBytesContentType);
  });
  EXPECT_EQ(SubmitExec(executor_, {"/usr/bin/wc", "-w"}, "a b").Result(kPatience)->data, "-w:a b");
  EXPECT_EQ(SubmitExec(executor_, {}, "").Result().status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(BrokerTest, AnotherClientAttachesLater) {
  const Future<int64_t> running = executor_.Submit(kSquare, 5);
  ASSERT_TRUE(running.Accepted(kPatience).ok());
  const std::string id = running.Id();
  client_.reset();
  EXPECT_EQ(running.Result().status().code(), absl::StatusCode::kAborted);

  client_ = ConnectTo(broker_->address());
  const Future<int64_t> before = client_->Attach<int64_t>(id);
  EXPECT_EQ(before.Result(1ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  EXPECT_EQ(*before.Result(kPatience), 25);
  const Future<int64_t> after = client_->Attach<int64_t>(id);
  EXPECT_EQ(*after.Result(kPatience), 25);
  EXPECT_EQ(client_->Attach<int64_t>("zz-1").Result(kPatience).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(BrokerTest, TasksCanBeLookedAt) {
  const Future<int64_t> future = executor_.Submit(kSquare, 6);
  ASSERT_TRUE(future.Accepted(kPatience).ok());
  const absl::StatusOr<v1::Task> task = client_->GetTask(future.Id());
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->state(), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(task->type(), "square");
  v1::ListTasksRequest request;
  request.set_queue("cpu");
  const absl::StatusOr<v1::ListTasksResponse> tasks = client_->ListTasks(request);
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_THAT(tasks->tasks(), SizeIs(1));
  request.set_filter("queue:cpu state:queued,succeeded");
  EXPECT_TRUE(client_->ListTasks(request).ok());
  request.set_filter("queue=cpu");
  EXPECT_TRUE(absl::IsInvalidArgument(client_->ListTasks(request).status()));
  request.set_filter("\xff");
  EXPECT_TRUE(absl::IsInvalidArgument(client_->ListTasks(request).status()));
  EXPECT_EQ(client_->GetTask("zz-1").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->GetTask("nonsense").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BrokerTest, QueuesCanBeManaged) {
  v1::QueueConfig config;
  config.set_name("mail");
  config.set_discipline(v1::DISCIPLINE_PRIORITY);
  config.set_max_tasks(10);
  ASSERT_TRUE(client_->CreateQueue(config).ok());
  config.set_max_tasks(11);
  EXPECT_EQ(client_->CreateQueue(config).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(client_->GetQueue("mail")->config().max_tasks(), 10);
  v1::UpdateQueueRequest update;
  update.set_name("mail");
  update.set_max_tasks(20);
  EXPECT_EQ(client_->UpdateQueue(update)->config().max_tasks(), 20);
  EXPECT_TRUE(client_->PauseQueue("mail")->paused());
  EXPECT_FALSE(client_->ResumeQueue("mail")->paused());
  const Future<void> queued = Executor(*client_, ExecutorOptions("mail")).Submit(kNothing);
  ASSERT_TRUE(queued.Accepted(kPatience).ok());
  EXPECT_THAT(*client_->ListQueues(), SizeIs(1));
  EXPECT_EQ(client_->DeleteQueue("mail").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(*client_->PurgeQueue("mail"), 1);
  EXPECT_EQ(queued.Result(kPatience).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(client_->DeleteQueue("mail"), absl::OkStatus());
  EXPECT_EQ(client_->GetQueue("mail").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->GetQueue("\xff").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BrokerTest, TheBrokerTellsAboutItself) {
  const absl::StatusOr<v1::ServerInfo> info = client_->GetServerInfo();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->store(), "memory");
  EXPECT_EQ(info->limits().payload_bytes_max(), limits::kPayloadBytesMax);
  EXPECT_TRUE(client_->ListWorkers().ok());
}

TEST_F(BrokerTest, AWatchTellsEveryStateAndTheOutcome) {
  SubmitOptions later;
  later.delay = 50ms;
  const Future<int64_t> future = executor_.Submit(later, kSquare, 7);
  ASSERT_TRUE(future.Accepted(kPatience).ok());
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  std::vector<v1::TaskState> states;
  const absl::StatusOr<v1::Outcome> outcome = client_->WatchTask(
      future.Id(),
      [&](const v1::Task& task) {
        states.push_back(task.state());
        return true;
      },
      kPatience);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->result(), "49");
  ASSERT_FALSE(states.empty());
  EXPECT_EQ(states.back(), v1::TASK_STATE_SUCCEEDED);
}

TEST_F(BrokerTest, AWatchEndsWhenItsReaderTheTimeOrTheClientDoes) {
  const Future<int64_t> future = executor_.Submit(kSquare, 7);
  ASSERT_TRUE(future.Accepted(kPatience).ok());
  EXPECT_EQ(client_->WatchTask(future.Id(), [](const v1::Task&) { return false; }).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(client_
                ->WatchTask(
                    future.Id(), [](const v1::Task&) { return true; }, 50ms)
                .status()
                .code(),
            absl::StatusCode::kDeadlineExceeded);
  std::promise<void> watching;
  auto watch = std::async(std::launch::async, [&] {
    return client_
        ->WatchTask(future.Id(),
                    [&](const v1::Task&) {
                      watching.set_value();
                      return true;
                    })
        .status();
  });
  watching.get_future().wait();
  client_->Shutdown();
  EXPECT_EQ(watch.get().code(), absl::StatusCode::kCancelled);
}

TEST_F(BrokerTest, AWatchWhoseReaderThrowsIsOver) {
  const Future<int64_t> future = executor_.Submit(kSquare, 7);
  ASSERT_TRUE(future.Accepted(kPatience).ok());
  const auto throws = [](const v1::Task&) -> bool { throw std::runtime_error("no more"); };
  EXPECT_THROW(client_->WatchTask(future.Id(), throws).IgnoreError(), std::runtime_error);
  const auto stop = [](const v1::Task&) { return false; };
  EXPECT_EQ(client_->WatchTask(future.Id(), stop).status().code(), absl::StatusCode::kCancelled);
  // Cancels the watches that are under way.
  client_->Shutdown();
}

// How many tasks of the queue the broker knows, finished ones included.
int64_t CountTasks(Client& client, const std::string& queue) {
  v1::ListTasksRequest request;
  request.set_queue(queue);
  request.set_include_finished(true);
  request.set_page_size(1'000);
  int64_t count = 0;
  do {
    const absl::StatusOr<v1::ListTasksResponse> page = client.ListTasks(request);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return -1;
    count += page->tasks_size();
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return count;
}

TEST_F(BrokerTest, NothingIsLostOrDoubledOverCutConnections) {
  constexpr int kTasks = 3'000;
  TcpProxy proxy(test::PortOf(*broker_));
  const std::unique_ptr<Client> client = ConnectTo(proxy.address());
  const Executor executor(*client, ExecutorOptions("cpu"));
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  std::vector<Future<int64_t>> futures;
  for (int i = 0; i < kTasks; ++i) {
    futures.push_back(executor.Submit(kSquare, i));
    if (i % 500 == 250) proxy.Cut();
    // So that the cuts fall into submits, acceptances and outcomes alike.
    if (i % 100 == 99) futures[static_cast<size_t>(i)].Wait(10ms).IgnoreError();
  }
  for (int i = 0; i < kTasks; ++i) {
    const absl::StatusOr<int64_t> result = futures[static_cast<size_t>(i)].Result(kPatience);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(*result, int64_t{i} * i);
  }
  EXPECT_EQ(CountTasks(*client, "cpu"), kTasks);
}

TEST_F(BrokerTest, AHalfOpenConnectionIsNoticedAndLeft) {
  TcpProxy proxy(test::PortOf(*broker_));
  const std::unique_ptr<Client> client = ConnectTo(proxy.address());
  const Executor executor(*client, ExecutorOptions("cpu"));
  const UnaryWorker worker(broker_->address(), "cpu", Work);
  ASSERT_EQ(*executor.Submit(kSquare, 2).Result(kPatience), 4);
  proxy.Freeze();
  const Future<int64_t> stuck = executor.Submit(kSquare, 3);
  EXPECT_EQ(stuck.Result(100ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  proxy.Cut();
  proxy.Thaw();
  EXPECT_EQ(*stuck.Result(kPatience), 9);
  EXPECT_EQ(CountTasks(*client, "cpu"), 2);
}

// From here on with a LocalServer: a LocalBroker's rows are not on a disk, and outlive its restarts
// all the same, so that it cannot forget everything.
TEST(BrokerCutOff, ABrokerThatRestartsFindsEverythingAgain) {
  constexpr int kTasks = 2'000;
  const TemporaryFolder folder;
  LocalServerOptions options;
  options.data_directory = folder.path();
  std::optional<LocalServer> server;
  server.emplace(options);
  options.listen = server->address();
  const std::unique_ptr<Client> client = ConnectTo(options.listen);
  const Executor executor(*client, ExecutorOptions("cpu"));
  std::vector<Future<int64_t>> futures;
  for (int i = 0; i < kTasks; ++i) {
    if (i == 500 || i == 1'000 || i == 1'500) {
      server.reset();
      // Some gather while it is away.
      for (int n = 0; n < 10; ++n) futures.push_back(executor.Submit(kSquare, i++));
      server.emplace(options);
    }
    futures.push_back(executor.Submit(kSquare, i));
  }
  ASSERT_TRUE(client->Flush(kPatience).ok());
  EXPECT_EQ(futures[0].Accepted()->durability, Durability::kSynced);
  const UnaryWorker worker(options.listen, "cpu", Work);
  for (size_t i = 0; i < futures.size(); ++i) {
    const absl::StatusOr<int64_t> result = futures[i].Result(kPatience);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(*result, static_cast<int64_t>(i * i));
  }
  EXPECT_EQ(CountTasks(*client, "cpu"), static_cast<int64_t>(futures.size()));
}

TEST(BrokerCutOff, AWatchGoesOnOverARestart) {
  const TemporaryFolder folder;
  LocalServerOptions options;
  options.data_directory = folder.path();
  std::optional<LocalServer> server;
  server.emplace(options);
  options.listen = server->address();
  const std::unique_ptr<Client> client = ConnectTo(options.listen);
  const Future<int64_t> future = Executor(*client, ExecutorOptions("cpu")).Submit(kSquare, 8);
  ASSERT_TRUE(future.Accepted(kPatience).ok());
  std::promise<void> watching;
  std::atomic<bool> told = false;
  auto watch = std::async(std::launch::async, [&] {
    return client->WatchTask(
        future.Id(),
        [&](const v1::Task&) {
          if (!told.exchange(true)) watching.set_value();
          return true;
        },
        kPatience);
  });
  watching.get_future().wait();
  server.reset();
  server.emplace(options);
  const UnaryWorker worker(options.listen, "cpu", Work);
  const absl::StatusOr<v1::Outcome> outcome = watch.get();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->result(), "64");
}

TEST(BrokerCutOff, ABrokerThatForgotEverythingSaysSo) {
  std::optional<LocalServer> server;
  server.emplace();
  LocalServerOptions options;
  options.listen = server->address();
  const std::unique_ptr<Client> client = ConnectTo(options.listen);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int64_t> lost = executor.Submit(kSquare, 2);
  ASSERT_TRUE(lost.Accepted(kPatience).ok());
  server.reset();
  server.emplace(options);
  EXPECT_EQ(lost.Result(kPatience).status().code(), absl::StatusCode::kNotFound);
  const UnaryWorker worker(options.listen, "cpu", Work);
  EXPECT_EQ(*executor.Submit(kSquare, 3).Result(kPatience), 9);
}

// Promise 9: the tasks of the broker's next life are not those of the one that is lost.
TEST(BrokerCutOff, WhatIsSubmittedWhileABrokerForgetsEverythingIsNotTakenForWhatWasLost) {
  std::optional<LocalServer> server;
  server.emplace();
  LocalServerOptions options;
  options.listen = server->address();
  const std::unique_ptr<Client> client = ConnectTo(options.listen);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int64_t> lost = executor.Submit(kSquare, 2);
  ASSERT_TRUE(lost.Accepted(kPatience).ok());
  server.reset();
  SubmitOptions fresh_options;
  fresh_options.request_key = "fresh";  // it may be sent before the loss is noticed
  const Future<int64_t> fresh = executor.Submit(fresh_options, kSquare, 3);
  server.emplace(options);
  const UnaryWorker worker(options.listen, "cpu", Work);
  EXPECT_EQ(*fresh.Result(kPatience), 9);
  EXPECT_EQ(lost.Result(kPatience).status().code(), absl::StatusCode::kNotFound);
}

// Two clients that come back to a broker that has forgotten both: neither gets the other's session.
TEST(BrokerCutOff, ClientsOfABrokerThatForgotEverythingKeepTheirOwnTasks) {
  std::optional<LocalServer> server;
  server.emplace();
  LocalServerOptions options;
  options.listen = server->address();
  const std::unique_ptr<Client> first = ConnectTo(options.listen);
  const std::unique_ptr<Client> second = ConnectTo(options.listen);
  const Executor one(*first, ExecutorOptions("cpu"));
  const Executor other(*second, ExecutorOptions("cpu"));
  ASSERT_TRUE(one.Submit(kSquare, 2).Accepted(kPatience).ok());
  ASSERT_TRUE(other.Submit(kSquare, 3).Accepted(kPatience).ok());
  for (int life = 0; life < 3; ++life) {
    server.reset();
    std::vector<Future<int64_t>> ones;
    std::vector<Future<int64_t>> others;
    for (int64_t i = 1; i <= 20; ++i) {
      SubmitOptions keyed;
      keyed.request_key = "one-" + std::to_string(i);
      ones.push_back(one.Submit(keyed, kSquare, i));
      keyed.request_key = "other-" + std::to_string(i);
      others.push_back(other.Submit(keyed, kSquare, 100 * i));
    }
    server.emplace(options);
    const UnaryWorker worker(options.listen, "cpu", Work);
    for (int64_t i = 1; i <= 20; ++i) {
      const auto index = static_cast<size_t>(i - 1);
      EXPECT_EQ(*ones[index].Result(kPatience), i * i);
      EXPECT_EQ(*others[index].Result(kPatience), 10'000 * i * i);
    }
  }
}

}  // namespace
}  // namespace treadle
