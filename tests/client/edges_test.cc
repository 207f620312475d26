#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/running_task.h"
#include "tests/client/fake_broker.h"
#include "treadle/treadle.h"

// Executors' ways to submit, and what goes with a submit, against a scripted broker.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr TaskType<int(int)> kSquare{"square"};
constexpr TaskType<std::string(std::string)> kShout{"shout"};

class EdgesTest : public ::testing::Test {
 protected:
  void Connect(ClientOptions options) {
    options.address = broker_.address();
    options.shutdown_timeout = 10ms;  // most tests leave submits unanswered
    absl::StatusOr<ClientPtr> client = Client::Connect(std::move(options));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }
  // The first submit opens the stream.
  void AwaitStream() {
    stream_ = broker_.NextStream();
    stream_->Open(7);
  }
  v1::TaskSpec NextSpec() {
    if (stream_ == nullptr) AwaitStream();
    return stream_->Tasks(1).at(0).task();
  }
  bool Eventually(const std::function<bool()>& holds) {
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

  FakeBroker broker_;
  ClientPtr client_;
  std::shared_ptr<FakeStream> stream_;
};

TEST_F(EdgesTest, AQueuesNameMakesAnExecutor) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  const Future<int> future = executor.Submit(kSquare, 3);
  EXPECT_EQ(NextSpec().queue(), "cpu");
}

TEST_F(EdgesTest, WithHasOtherOptionsAndOneShutdown) {
  Connect(ClientOptions());
  Executor executor(client_, "cpu");
  const Executor urgent = executor.With(SubmitOptions().Priority(5).Delay(2s));
  const Future<int> first = urgent.Submit(kSquare, 1);
  const v1::TaskSpec spec = NextSpec();
  EXPECT_EQ(spec.priority(), 5);
  EXPECT_EQ(spec.delay_ms(), 2'000);
  const Future<int> second = executor.Submit(kSquare, 1);
  EXPECT_EQ(NextSpec().priority(), 0);
  executor.Shutdown(/*wait=*/false);
  EXPECT_TRUE(urgent.is_shut_down());
}

TEST_F(EdgesTest, ABoundTypeIsAFunction) {
  Connect(ClientOptions());
  const auto shout = Executor(client_, "cpu").Bind(kShout);
  const Future<std::string> loud = shout("hello");
  const v1::TaskSpec spec = NextSpec();
  EXPECT_EQ(spec.type(), "shout");
  EXPECT_EQ(spec.payload(), "\"hello\"");
}

TEST_F(EdgesTest, APostEndsWithItsAcceptance) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  const Future<Acceptance> posted = executor.Post(kSquare, 3);
  const Future<Acceptance> refused = executor.Post(SubmitOptions().Priority(1), kSquare, 4);
  AwaitStream();
  stream_->Tasks(2);
  EXPECT_FALSE(posted.Done());
  stream_->Accept(1, 1, v1::DURABILITY_WRITTEN);
  stream_->Refuse(2, absl::ResourceExhaustedError("queue 'cpu' is full"));
  const absl::StatusOr<Acceptance> acceptance = posted.Result(60s);
  ASSERT_TRUE(acceptance.ok()) << acceptance.status();
  EXPECT_EQ(acceptance->task_id, IdOf(7, 1));
  EXPECT_EQ(acceptance->durability, Durability::kWritten);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.Result(60s).status()));
  EXPECT_TRUE(Eventually([&] { return client_->Stats().pending == 0; }))
      << "held though it is over";
}

TEST_F(EdgesTest, WhatNobodyHoldsIsNotAskedForAgain) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  const Future<int> held = executor.Submit(kSquare, 1);
  {
    const Future<int> dropped = executor.Submit(kSquare, 2);
    AwaitStream();
    stream_->Tasks(2);
    stream_->Accept(1, 2);
    ASSERT_TRUE(held.Accepted(60s).ok());
    ASSERT_TRUE(dropped.Accepted(60s).ok());
    EXPECT_EQ(client_->Stats().pending, 2);
  }
  stream_->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting"));
  const std::shared_ptr<FakeStream> next = broker_.NextStream();
  next->Open(7, /*resumed=*/true);
  EXPECT_THAT(next->Awaits(1), ElementsAre(IdOf(7, 1)));
  EXPECT_TRUE(Eventually([&] { return client_->Stats().pending == 1; }));
  EXPECT_EQ(client_->Stats().reconnects, 1);
  // Nothing more was asked for: what comes next is the next submit.
  const Future<int> third = executor.Submit(kSquare, 3);
  next->Tasks(1);
  next->Succeed(IdOf(7, 1), "1");
  EXPECT_EQ(*held.Result(60s), 1);
}

TEST_F(EdgesTest, ACancelIsSaidAgainThoughNobodyHoldsItsFuture) {
  Connect(ClientOptions());
  {
    const Future<int> cancelled = Executor(client_, "cpu").Submit(kSquare, 1);
    AwaitStream();
    stream_->Tasks(1);
    stream_->Accept(1, 1);
    ASSERT_TRUE(cancelled.Accepted(60s).ok());
    EXPECT_TRUE(cancelled.Cancel());
  }
  EXPECT_THAT(stream_->Cancels(1), ElementsAre(IdOf(7, 1)));
  stream_->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting"));
  const std::shared_ptr<FakeStream> next = broker_.NextStream();
  next->Open(7, /*resumed=*/true);
  EXPECT_THAT(next->Cancels(1), ElementsAre(IdOf(7, 1)));
}

TEST_F(EdgesTest, ClientsCountWhatTheyDo) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  std::vector<Future<int>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(executor.Submit(kSquare, i));
  EXPECT_EQ(client_->Stats().submitted, 4);
  EXPECT_EQ(client_->Stats().pending, 4);
  EXPECT_EQ(client_->Stats().window_tasks, 4);
  EXPECT_GT(client_->Stats().window_bytes, 0);
  AwaitStream();
  stream_->Tasks(4);
  stream_->Accept(1, 3);
  stream_->Refuse(4, absl::ResourceExhaustedError("full"));
  stream_->Succeed(IdOf(7, 1), "12345");
  stream_->Fail(IdOf(7, 2), "ValueError", "no");
  for (const size_t ended : {0, 1, 3}) futures[ended].Wait(60s).IgnoreError();
  ASSERT_TRUE(Eventually([&] { return client_->Stats().pending == 1; }));
  const ClientStats stats = client_->Stats();
  EXPECT_EQ(stats.accepted, 3);
  EXPECT_EQ(stats.refused, 1);
  EXPECT_EQ(stats.succeeded, 1);
  EXPECT_EQ(stats.failed, 1);
  EXPECT_EQ(stats.cancelled + stats.expired + stats.reconnects + stats.window_tasks, 0);
  EXPECT_EQ(stats.result_bytes, 5);
  EXPECT_GT(stats.sent_bytes, 0);
}

TEST_F(EdgesTest, AHookAddsHeaders) {
  ClientOptions options;
  options.on_submit = [](SubmitEvent& event) {
    event.headers["seen"] = std::string(event.queue) + "/" + std::string(event.type);
    event.headers["tenant"] = "hook";
  };
  Connect(std::move(options));
  const Executor executor(client_, "cpu");
  const Future<int> future =
      executor.Submit(SubmitOptions().Header("tenant", "own").Header("k", "v"), kSquare, 1);
  EXPECT_THAT(NextSpec().headers(), UnorderedElementsAre(Pair("k", "v"), Pair("tenant", "hook"),
                                                         Pair("seen", "cpu/square")));
}

// The task whose handler a test's thread runs.
struct Parent final : RunningTask {
  const Headers& headers() const override { return own_headers; }
  std::string traceparent() const override { return own_traceparent; }
  std::optional<std::chrono::steady_clock::time_point> deadline() const override { return ends; }
  const Client* client() const override { return own_client; }
  std::shared_ptr<ChildTasks> children() override { return own_children; }

  Headers own_headers;
  std::string own_traceparent = "00-span";
  std::optional<std::chrono::steady_clock::time_point> ends;
  const Client* own_client = nullptr;
  std::shared_ptr<ChildTasks> own_children = std::make_shared<ChildTasks>();
};

TEST_F(EdgesTest, AChildHasItsParentsHeadersAndDeadline) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  Parent parent;
  parent.own_client = client_.get();
  parent.own_headers = {{"traceparent", "00-a"}, {"tenant", "t"}, {"region", "eu"}};
  parent.ends = std::chrono::steady_clock::now() + 1h;
  std::vector<Future<int>> futures;
  {
    const RunningTask::Scope here(parent);
    futures.push_back(executor.Submit(SubmitOptions().Header("tenant", "own"), kSquare, 1));
    futures.push_back(executor.Submit(SubmitOptions().Deadline(2h), kSquare, 1));
    futures.push_back(executor.Submit(SubmitOptions().Deadline(1min), kSquare, 1));
    const auto now = std::chrono::system_clock::now();
    futures.push_back(executor.Submit(SubmitOptions().DeadlineAt(now + 24h), kSquare, 1));
    futures.push_back(executor.Submit(SubmitOptions().DeadlineAt(now + 1min), kSquare, 1));
    parent.ends = std::chrono::steady_clock::now() - 1s;
    futures.push_back(executor.Submit(kSquare, 1));
    futures.push_back(executor.Submit(SubmitOptions().Detached(), kSquare, 1));
    futures.push_back(executor.Submit(SubmitOptions().RequestKey("k"), kSquare, 1));
  }
  const int64_t hour_ms = 3'600'000;
  const v1::TaskSpec first = NextSpec();
  EXPECT_THAT(first.headers(), UnorderedElementsAre(Pair("traceparent", "00-span"),
                                                    Pair("tenant", "own"), Pair("region", "eu")));
  EXPECT_GT(first.deadline_in_ms(), hour_ms - 120'000);
  EXPECT_LE(first.deadline_in_ms(), hour_ms);
  EXPECT_LE(NextSpec().deadline_in_ms(), hour_ms);
  EXPECT_EQ(NextSpec().deadline_in_ms(), 60'000);
  const v1::TaskSpec moved = NextSpec();
  EXPECT_GT(moved.deadline_in_ms(), 0);
  EXPECT_LE(moved.deadline_in_ms(), hour_ms);
  EXPECT_GT(NextSpec().deadline_at_ms(), 0);
  EXPECT_EQ(NextSpec().deadline_in_ms(), 1);
  const v1::TaskSpec detached = NextSpec();
  EXPECT_EQ(detached.deadline_in_ms(), 0);
  EXPECT_THAT(detached.headers(), UnorderedElementsAre(Pair("traceparent", "00-span")));
  // The same from the parent's next attempt, when less time is left.
  const v1::TaskSpec keyed = NextSpec();
  EXPECT_EQ(keyed.deadline_in_ms(), 0);
  EXPECT_THAT(keyed.headers(), ::testing::SizeIs(3));
}

TEST_F(EdgesTest, AChildIsCancelledWithItsParentAsLongAsBothRun) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  Parent parent;
  parent.own_client = client_.get();
  std::optional<Future<int>> ended, held;
  {
    const RunningTask::Scope here(parent);
    ended = executor.Submit(kSquare, 1);                                            // 7-1
    held = executor.Submit(kSquare, 2);                                             // 7-2
    { const Future<int> dropped = executor.Submit(kSquare, 3); }                    // 7-3
    const auto detached = executor.Submit(SubmitOptions().Detached(), kSquare, 4);  // 7-4
    const Future<Acceptance> posted = executor.Post(kSquare, 5);                    // 7-5
    AwaitStream();
    EXPECT_THAT(stream_->Tasks(5), ::testing::SizeIs(5));
    stream_->Accept(1, 5);
    stream_->Succeed("7-1", "1");
    EXPECT_EQ(ended->Result().value_or(0), 1);
    EXPECT_TRUE(posted.Wait().ok());
  }
  parent.own_children->Cancel();
  EXPECT_THAT(stream_->Cancels(2), UnorderedElementsAre("7-2", "7-3"));
  const Future<int> last = executor.Submit(kSquare, 6);
  EXPECT_THAT(stream_->Tasks(1), ::testing::SizeIs(1));
  stream_->Accept(6, 6);
  EXPECT_TRUE(last.Cancel());  // no other cancel comes before it
  EXPECT_THAT(stream_->Cancels(1), ElementsAre("7-6"));
}

TEST_F(EdgesTest, TheTraceOfTheTaskThatRunsHereGoesOn) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  Parent parent;  // of another client
  parent.own_headers = {{"traceparent", "00-a"}, {"tracestate", "x=1"}, {"tenant", "t"}};
  parent.ends = std::chrono::steady_clock::now() + 1h;
  std::vector<Future<int>> futures;
  {
    const RunningTask::Scope here(parent);
    futures.push_back(executor.Submit(kSquare, 1));
    futures.push_back(executor.Submit(SubmitOptions().Header("traceparent", "00-b"), kSquare, 1));
  }
  futures.push_back(executor.Submit(kSquare, 1));
  EXPECT_THAT(NextSpec().headers(),
              UnorderedElementsAre(Pair("traceparent", "00-span"), Pair("tracestate", "x=1")));
  EXPECT_THAT(NextSpec().headers(), UnorderedElementsAre(Pair("traceparent", "00-b")));
  EXPECT_THAT(NextSpec().headers(), ::testing::IsEmpty());
  parent.own_traceparent.clear();  // the task's is not valid
  {
    const RunningTask::Scope here(parent);
    futures.push_back(executor.Submit(kSquare, 1));
  }
  EXPECT_THAT(NextSpec().headers(), ::testing::IsEmpty());
}

TEST_F(EdgesTest, TheCurrentTraceGoesWithASubmitAndOnceWithMany) {
  int asked = 0;
  ClientOptions options;
  options.trace_context = [&asked] { return absl::StrCat("00-", ++asked); };
  Connect(options);
  const Executor executor(client_, "cpu");
  Parent parent;
  parent.own_headers = {{"traceparent", "00-a"}, {"tracestate", "x=1"}};
  std::vector<Future<int>> futures;
  {
    const RunningTask::Scope here(parent);
    futures.push_back(executor.Submit(kSquare, 1));
  }
  futures.push_back(executor.Submit(SubmitOptions().Traceparent("00-own"), kSquare, 1));
  for (Future<int>& each : executor.SubmitAll(kSquare, std::vector<int>{1, 2, 3})) {
    futures.push_back(std::move(each));
  }
  auto mapped = executor.Map(kSquare, std::vector<int>{1, 2, 3});
  EXPECT_EQ(asked, 3);
  for (const char* const trace :
       {"00-1", "00-own", "00-2", "00-2", "00-2", "00-3", "00-3", "00-3"}) {
    EXPECT_THAT(NextSpec().headers(), UnorderedElementsAre(Pair("traceparent", trace)));
  }
}

TEST_F(EdgesTest, FuturesOfSeveralTypesWaitTogether) {
  Connect(ClientOptions());
  const Executor executor(client_, "cpu");
  const Future<int> square = executor.Submit(kSquare, 3);
  const Future<std::string> shout = executor.Submit(kShout, "a");
  AwaitStream();
  stream_->Tasks(2);
  stream_->Succeed(IdOf(7, 2), "\"A\"");
  std::vector<std::string> ids;
  for (const AnyFuture& done : AsCompleted(std::vector<AnyFuture>{square, shout})) {
    ids.push_back(done.Id());
    if (ids.size() == 1) stream_->Succeed(IdOf(7, 1), "9");
  }
  EXPECT_THAT(ids, ElementsAre(IdOf(7, 2), IdOf(7, 1)));
  const auto [nine, loud] = WaitAll(square, shout);
  EXPECT_EQ(*nine, 9);
  EXPECT_EQ(*loud, "A");
  const Future<int> never = executor.Submit(kSquare, 4);
  const auto [late, there] = WaitAll(1ms, never, shout);
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status()));
  EXPECT_EQ(*there, "A");
  const auto waited = Wait(std::vector<AnyFuture>{never, shout}, kNoWait);
  EXPECT_EQ(waited.done.size(), 1u);
  EXPECT_EQ(waited.not_done.size(), 1u);
}

TEST_F(EdgesTest, TheEnvironmentNamesTheBroker) {
  ::setenv("TREADLE_BROKER", broker_.address().c_str(), /*overwrite=*/1);
  const absl::StatusOr<ClientPtr> client = Client::Connect();
  ::setenv("TREADLE_BROKER", "http://x:1", /*overwrite=*/1);
  const absl::Status wrong = Client::Connect().status();
  ::unsetenv("TREADLE_BROKER");
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ((*client)->options().address, broker_.address());
  EXPECT_TRUE(absl::IsInvalidArgument(wrong));
  EXPECT_TRUE(absl::StrContains(wrong.message(), "TREADLE_BROKER: ")) << wrong;
}

}  // namespace
}  // namespace treadle
