#include "client/session/session.h"

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/wire/settings.h"
#include "tests/client/fake_broker.h"
#include "tests/client/no_threads.h"
#include "treadle/client.h"
#include "treadle/executor.h"
#include "treadle/task_type.h"

// What the client does when connections break and brokers misbehave.

namespace treadle::client {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr TaskType<int(int)> kSquare{"square"};

const grpc::Status kLost(grpc::StatusCode::UNAVAILABLE, "connection lost");
const grpc::Status kForgotten(grpc::StatusCode::NOT_FOUND, "session is not known");

std::vector<uint64_t> Sequences(const std::vector<test::SequencedTask>& tasks) {
  std::vector<uint64_t> sequences;
  for (const test::SequencedTask& task : tasks) sequences.push_back(task.sequence());
  return sequences;
}

TEST(Session, ConnectTellsThatNobodyAnswers) {
  std::string address;
  {
    FakeBroker broker;
    address = broker.address();
  }
  ClientOptions options(address);
  options.connect_timeout = 300ms;
  const absl::Status status = Client::Connect(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no broker answers at " + address));
}

TEST(Session, ConnectTellsARefusalAtOnce) {
  FakeBroker broker;
  broker.Refuse(absl::PermissionDeniedError("not you"));
  EXPECT_EQ(Client::Connect(broker.Options()).status(), absl::PermissionDeniedError("not you"));
}

// What is told of the broker's disk: to the log, and to who waits in vain.
TEST(Session, ADiskThatHangsIsToldInTheLogAndByTimeouts) {
  FakeBroker broker;
  std::mutex mutex;
  std::vector<std::string> lines;
  ClientOptions options = broker.Options();
  options.log = [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  };
  const auto logged = [&] {
    const std::lock_guard lock(mutex);
    return lines;
  };
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("q"));
  const Future<int> future = executor.Submit(kSquare, 3);
  stream->Tasks(1);
  EXPECT_THAT(std::string(future.Accepted(1ms).status().message()), Not(HasSubstr("disk")));
  v1::SessionResponse hangs;
  hangs.set_disk_hung_ms(12'345);
  const auto limit = std::chrono::steady_clock::now() + 60s;
  for (int i = 0; i < 2; ++i) stream->Write(hangs);
  while (logged().empty() && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_THAT(logged(), ElementsAre(HasSubstr("the broker's disk has not answered for 12 s")));
  for (const absl::Status& status :
       {future.Accepted(1ms).status(), future.Wait(1ms), client->Flush(1ms)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(std::string(status.message()), HasSubstr("the broker's disk has not answered for"));
  }
  // Heartbeats go on, and do not tell it.
  while (logged().size() < 2 && std::chrono::steady_clock::now() < limit) {
    stream->Write(v1::SessionResponse());
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_THAT(logged(), ElementsAre(HasSubstr("12 s"), "the broker's disk answers again"));
  EXPECT_THAT(std::string(future.Accepted(1ms).status().message()), Not(HasSubstr("disk")));
  stream->Accept(1, 1);
  EXPECT_TRUE(future.Accepted(60s).ok());
}

TEST(Session, ConnectWaitsForABrokerThatStarts) {
  FakeBroker broker;
  broker.Stop();
  ClientOptions options = broker.Options();
  options.connect_timeout = 60s;
  auto connecting = std::async(std::launch::async, [&] { return Client::Connect(options); });
  broker.Start();
  EXPECT_TRUE(connecting.get().ok());
}

TEST(Session, OptionsThatFitNoClockAreRefused) {
  const auto refusal = [](auto set) {
    ClientOptions options("127.0.0.1:1");
    set(options);
    return Client::Connect(options).status();
  };
  const absl::Status wrapped =
      refusal([](ClientOptions& options) { options.call_timeout = std::chrono::hours::max(); });
  EXPECT_EQ(wrapped.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(wrapped.message()), HasSubstr("call_timeout"));
  EXPECT_EQ(refusal([](ClientOptions& options) { options.give_up_after = 24h * 367; }).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal([](ClientOptions& options) { options.name = std::string(256, 'x'); }).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Session, AClientThatGetsNoThreadSaysSo) {
  FakeBroker broker;
  {
    const test::NoThreads none_left;
    const absl::Status status = Client::Connect(broker.Options()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()), HasSubstr("thread"));
  }
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(broker.Options());
  ASSERT_TRUE(client.ok()) << client.status();
  ExecutorOptions options("cpu");
  options.broken_after = 1h;
  std::optional<Executor> executor;
  {
    const test::NoThreads none_left;
    executor.emplace(**client, options);
  }
  EXPECT_EQ(executor->Submit(kSquare, 1).Result().status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(Session, TheFirstSubmitOpensTheSession) {
  FakeBroker broker;
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(broker.Options());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE((*client)->GetServerInfo().ok());
  EXPECT_TRUE((*client)->Flush().ok());
  EXPECT_EQ(broker.streams(), 0u);
  const Executor executor(**client, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 3);
  const auto stream = broker.NextStream();
  EXPECT_EQ(stream->Open(7).session_id(), 0u);
  EXPECT_THAT(Sequences(stream->Tasks(1)), ElementsAre(1));
}

TEST(Session, AClientThatOnlyAskedEndsAtOnce) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.shutdown_timeout = 60s;
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  (*client)->Shutdown();
  EXPECT_EQ(broker.streams(), 0u);
}

TEST(Session, AnUnansweredSubmitIsSentAgainUnderItsSequence) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> answered = executor.Submit(kSquare, 1);
  const Future<int> lost_submit = executor.Submit(kSquare, 2);
  stream->Tasks(2);
  stream->Accept(1, 1);
  ASSERT_TRUE(answered.Accepted().ok());
  stream->End(kLost);

  stream = broker.NextStream();
  EXPECT_EQ(stream->Open(7, true).session_id(), 7u);
  const std::vector<test::SequencedTask> again = stream->Tasks(1);
  EXPECT_EQ(again[0].sequence(), 2u);
  EXPECT_EQ(again[0].task().payload(), "2");
  EXPECT_THAT(stream->Awaits(1), ElementsAre(IdOf(7, 1)));
  // The broker had accepted it; its outcome must be asked for.
  stream->Accept(2, 2);
  EXPECT_THAT(stream->Awaits(1), ElementsAre(IdOf(7, 2)));
  stream->AwaitAcknowledgedBelow(3);
  stream->Succeed(IdOf(7, 1), "1");
  stream->Succeed(IdOf(7, 2), "4");
  EXPECT_EQ(*answered.Result(), 1);
  EXPECT_EQ(*lost_submit.Result(), 4);
  // New ones go on counting.
  const Future<int> next = executor.Submit(kSquare, 3);
  EXPECT_THAT(Sequences(stream->Tasks(1)), ElementsAre(3));
}

TEST(Session, TheSameOutcomeTwiceIsHarmless) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> first = executor.Submit(kSquare, 1);
  stream->Tasks(1);
  stream->Accept(1, 1);
  stream->Succeed(IdOf(7, 1), "1");
  stream->Succeed(IdOf(7, 1), "1");
  stream->Accept(1, 1);
  const Future<int> second = executor.Submit(kSquare, 2);
  stream->Tasks(1);
  stream->Succeed(IdOf(7, 2), "4");
  EXPECT_EQ(*second.Result(), 4);
  EXPECT_EQ(*first.Result(), 1);
}

TEST(Session, AForgottenSessionBeginsAnew) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  SubmitOptions with_key;
  with_key.request_key = "order-7";
  const Future<int> accepted = executor.Submit(kSquare, 1);
  const Future<int> doubtful = executor.Submit(kSquare, 2);
  const Future<int> keyed = executor.Submit(with_key, kSquare, 3);
  stream->Tasks(3);
  stream->Accept(1, 1);
  ASSERT_TRUE(accepted.Accepted().ok());
  stream->End(kLost);

  stream = broker.NextStream();
  EXPECT_EQ(stream->ReadOpen().session_id(), 7u);
  stream->End(kForgotten);
  stream = broker.NextStream();
  EXPECT_EQ(stream->Open(8).session_id(), 0u);
  EXPECT_EQ(doubtful.Result().status().code(), absl::StatusCode::kAborted);
  const test::SequencedTask again = stream->Tasks(1)[0];
  EXPECT_EQ(again.sequence(), 1u);
  EXPECT_EQ(again.task().request_key(), "order-7");
  EXPECT_THAT(stream->Awaits(1), ElementsAre(IdOf(7, 1)));
  // Its first submit had been accepted after all.
  stream->AcceptAs(1, IdOf(7, 3));
  EXPECT_THAT(stream->Awaits(1), ElementsAre(IdOf(7, 3)));
  stream->Succeed(IdOf(7, 3), "9");
  stream->Succeed(IdOf(7, 1), "1");
  EXPECT_EQ(*keyed.Result(), 9);
  EXPECT_TRUE(keyed.Accepted()->existing);
  EXPECT_EQ(keyed.Id(), IdOf(7, 3));
  EXPECT_EQ(*accepted.Result(), 1);
}

TEST(Session, SubmitsGatherWhileTheBrokerIsAway) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  stream->End(kLost);
  stream.reset();
  broker.Stop();
  std::vector<Future<int>> futures;
  for (int i = 0; i < 10; ++i) futures.push_back(executor.Submit(kSquare, i));
  const Future<int> cancelled = executor.Submit(kSquare, 99);
  EXPECT_TRUE(cancelled.Cancel());
  EXPECT_EQ(cancelled.Result().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(futures[9].Result(20ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  broker.Start();
  stream = broker.NextStream();
  stream->Open(7, true);
  EXPECT_THAT(Sequences(stream->Tasks(10)), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  stream->Succeed(IdOf(7, 10), "81");
  EXPECT_EQ(*futures[9].Result(), 81);
}

TEST(Session, GivesUpAfterTheTimeThatWasAskedFor) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.give_up_after = 200ms;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> accepted = executor.Submit(kSquare, 1);
  const Future<int> sent = executor.Submit(kSquare, 2);
  stream->Tasks(2);
  stream->Accept(1, 1);
  ASSERT_TRUE(accepted.Accepted().ok());
  stream->End(kLost);
  stream = broker.NextStream();  // it has noticed
  const Future<int> unsent = executor.Submit(kSquare, 3);
  // One that was never sent may be submitted again, the others not simply so.
  const absl::Status status = unsent.Result().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not reached for 200 ms"));
  EXPECT_EQ(sent.Result().status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(sent.Result().status().message()), HasSubstr("may have been accepted"));
  EXPECT_EQ(sent.Accepted().status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(accepted.Result().status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(accepted.Accepted()->task_id, IdOf(7, 1));
  // It goes on trying, and what it gave up is not sent again.
  stream->Open(7, true);
  const Future<int> next = executor.Submit(kSquare, 4);
  EXPECT_THAT(Sequences(stream->Tasks(1)), ElementsAre(3));
}

TEST(Session, WhatIsSubmittedLateHasItsOwnTime) {
  constexpr auto kGiveUp = 3s;
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.give_up_after = kGiveUp;
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  broker.Stop();
  const Executor executor(**client, ExecutorOptions("cpu"));
  const Future<int> early = executor.Submit(kSquare, 1);
  EXPECT_EQ(early.Wait(kGiveUp / 2).code(), absl::StatusCode::kDeadlineExceeded);
  const auto submitted_at = std::chrono::steady_clock::now();
  const Future<int> late = executor.Submit(kSquare, 2);
  EXPECT_EQ(early.Wait().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(late.Wait().code(), absl::StatusCode::kUnavailable);
  EXPECT_GE(std::chrono::steady_clock::now() - submitted_at, kGiveUp);
}

TEST(Session, ARefusalForGoodEndsWhatIsPending) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> sent = executor.Submit(kSquare, 1);
  stream->Tasks(1);
  stream->End(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no such field"));
  EXPECT_EQ(sent.Result().status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(sent.Result().status().message()), HasSubstr("no such field"));
  // The next submit tries again.
  const Future<int> next = executor.Submit(kSquare, 2);
  stream = broker.NextStream();
  stream->End(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no such field"));
  EXPECT_EQ(next.Result().status(), absl::InvalidArgumentError("no such field"));
  const Future<int> last = executor.Submit(kSquare, 2);
  stream = broker.NextStream();
  EXPECT_EQ(stream->Open(8).session_id(), 0u);
  EXPECT_THAT(Sequences(stream->Tasks(1)), ElementsAre(1));
}

TEST(Session, AProxysRefusalWhileTheBrokerRestartsEndsNothing) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 3);
  stream->Tasks(1);
  // gRPC's words for HTTP 404, 403 and 401.
  for (const auto code : {grpc::StatusCode::UNIMPLEMENTED, grpc::StatusCode::PERMISSION_DENIED,
                          grpc::StatusCode::UNAUTHENTICATED}) {
    stream->End(grpc::Status(code, "Received http2 header with status: 404"));
    stream = broker.NextStream();
    EXPECT_EQ(stream->ReadOpen().session_id(), 7u);
  }
  stream->Open(7, true);
  EXPECT_THAT(Sequences(stream->Tasks(1)), ElementsAre(1));
  stream->Succeed(IdOf(7, 1), "9");
  EXPECT_EQ(*future.Result(), 9);
}

TEST(Session, CancelsAreSentBeforeTheEnd) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  std::vector<Future<int>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(executor.Submit(kSquare, i));
  stream->Tasks(3);
  stream->Accept(1, 2);
  ASSERT_TRUE(futures[1].Accepted().ok());
  // Accepted ones, and one whose answer is on its way yet.
  for (const Future<int>& future : futures) future.Cancel();
  auto closing = std::async(std::launch::async, [&] { client.reset(); });
  EXPECT_THAT(stream->Cancels(3), UnorderedElementsAre(IdOf(7, 1), IdOf(7, 2), IdOf(7, 3)));
  EXPECT_TRUE(stream->AwaitWritesDone());
  stream->End(grpc::Status::OK);
  closing.get();
}

// A task was accepted, and cancelled when the broker was gone.
std::unique_ptr<Client> ClientWithACancelLeft(FakeBroker& broker) {
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 1);
  stream->Tasks(1);
  stream->Accept(1, 1);
  EXPECT_TRUE(future.Accepted().ok());
  stream->End(kLost);
  stream.reset();
  broker.Stop();
  // Until then the cancel would go out on the stream that is lost.
  while (client->Stats().connected) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(future.Cancel());
  return std::move(client);
}

TEST(Session, AFlushWaitsForCancels) {
  FakeBroker broker;
  const std::unique_ptr<Client> client = ClientWithACancelLeft(broker);
  EXPECT_EQ(client->Flush(20ms).code(), absl::StatusCode::kDeadlineExceeded);
  broker.Start();
  const auto stream = broker.NextStream();
  stream->Open(7, true);
  EXPECT_TRUE(client->Flush().ok());
  EXPECT_THAT(stream->Cancels(1), ElementsAre(IdOf(7, 1)));
}

TEST(Session, AFlushEndsWithAClientThatHasCancelsLeft) {
  FakeBroker broker;
  const std::unique_ptr<Client> client = ClientWithACancelLeft(broker);
  client->Shutdown();
  EXPECT_EQ(client->Flush(60s).code(), absl::StatusCode::kUnavailable);
}

TEST(Session, ASilentBrokerIsLeft) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const auto silent_since = std::chrono::steady_clock::now();
  // Reads, and says nothing.
  while (stream->ReadMessage()) {
  }
  EXPECT_GE(std::chrono::steady_clock::now() - silent_since, 5s);
  stream = broker.NextStream();
  EXPECT_EQ(stream->ReadOpen().session_id(), 7u);
}

TEST(Session, ABrokerThatTalksNonsenseIsLeft) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 3);
  stream->Tasks(1);
  stream->WriteGarbage();
  const auto next = broker.NextStream();
  EXPECT_EQ(next->Open(7, true).session_id(), 7u);
  EXPECT_THAT(Sequences(next->Tasks(1)), ElementsAre(1));
  next->Succeed(IdOf(7, 1), "9");
  EXPECT_EQ(*future.Result(), 9);
}

TEST(Session, HeartbeatsKeepComing) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(stream->ReadMessage());
  EXPECT_GE(std::chrono::steady_clock::now() - start, 300ms);
  EXPECT_EQ(stream->messages(), 0u);
}

TEST(Session, AnswersAreAskedForWhenSomebodyWaitsForThem) {
  FakeBroker broker;
  v1::SessionOpened quiet;
  quiet.set_heartbeat_ms(60'000);
  auto [client, stream] = broker.Connect(broker.Options(), 7, quiet);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 3);
  stream->Tasks(1);
  EXPECT_TRUE(stream->answer_may_wait());
  EXPECT_FALSE(future.Accepted(1ms).ok());
  ASSERT_TRUE(stream->ReadMessage());
  EXPECT_FALSE(stream->answer_may_wait());
  EXPECT_EQ(stream->messages(), 1u);  // the task: this one was empty
  stream->Accept(1, 1);
  EXPECT_TRUE(future.Accepted().ok());
}

TEST(Session, AnswersDoNotWaitWhenTheWindowIsHalfFull) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.window_tasks = 4;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  std::vector<Future<int>> futures;
  for (int i = 1; i <= 4; ++i) {
    futures.push_back(executor.Submit(kSquare, i));
    stream->Tasks(1);
    EXPECT_EQ(stream->answer_may_wait(), i <= 2) << i;
  }
  stream->Accept(1, 4);
  for (const Future<int>& future : futures) EXPECT_TRUE(future.Accepted().ok());
}

TEST(Session, AFullWindowRefusesAtOnceWhenAsked) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.window_tasks = 2;
  options.window_wait = 0ms;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> first = executor.Submit(kSquare, 1);
  const Future<int> second = executor.Submit(kSquare, 2);
  const absl::Status status = executor.Submit(kSquare, 3).Result().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("2 of 2 tasks"));
  stream->Tasks(2);
  stream->Accept(1, 2);
  ASSERT_TRUE(second.Accepted().ok());
  ASSERT_TRUE(client->Flush().ok());
  const Future<int> third = executor.Submit(kSquare, 3);
  EXPECT_FALSE(third.Done());
}

TEST(Session, AFullWindowMakesSubmitWait) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.window_bytes = 100;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  // One that is larger than the window goes alone.
  const Future<Payload> large = executor.SubmitRaw("raw", Payload(std::string(1'000, 'x'), ""));
  auto submitting = std::async(std::launch::async, [&] { return executor.Submit(kSquare, 2); });
  EXPECT_EQ(submitting.wait_for(50ms), std::future_status::timeout);
  EXPECT_EQ(client->Flush(1ms).code(), absl::StatusCode::kDeadlineExceeded);
  stream->Tasks(1);
  stream->Accept(1, 1);
  const Future<int> second = submitting.get();
  EXPECT_THAT(Sequences(stream->Tasks(1)), ElementsAre(2));
}

TEST(Session, AWaitForTheWindowIsBounded) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.window_tasks = 1;
  options.window_wait = 20ms;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> first = executor.Submit(kSquare, 1);
  EXPECT_EQ(executor.Submit(kSquare, 2).Result().status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(Session, ShutdownFreesWhoWaitsForTheWindow) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.window_tasks = 1;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> first = executor.Submit(kSquare, 1);
  auto submitting = std::async(std::launch::async, [&] { return executor.Submit(kSquare, 2); });
  client->Shutdown();
  EXPECT_EQ(submitting.get().Result().status().code(), absl::StatusCode::kUnavailable);
}

TEST(Session, ShutdownWaitsForAnswersAndEndsTheSession) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.shutdown_timeout = 60s;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  const Future<int> future = executor.Submit(kSquare, 1);
  auto closing = std::async(std::launch::async, [&] { client->Shutdown(); });
  stream->Tasks(1);
  EXPECT_EQ(closing.wait_for(20ms), std::future_status::timeout);
  stream->Accept(1, 1);
  EXPECT_TRUE(stream->AwaitWritesDone());
  stream->End(grpc::Status::OK);
  closing.get();
  EXPECT_EQ(future.Id(), IdOf(7, 1));
  EXPECT_EQ(future.Result().status().code(), absl::StatusCode::kAborted);
}

TEST(Session, LoadGathersInMessages) {
  constexpr int kTasks = 20'000;
  FakeBroker broker;
  v1::SessionOpened bounds;
  bounds.set_batch_tasks_max(1'000);
  auto [client, stream] = broker.Connect(broker.Options(), 7, bounds);
  const Executor executor(*client, ExecutorOptions("cpu"));
  std::vector<Future<int>> futures;
  futures.reserve(kTasks);
  for (int i = 0; i < kTasks; ++i) futures.push_back(executor.Submit(kSquare, i));
  const std::vector<test::SequencedTask> tasks = stream->Tasks(kTasks);
  EXPECT_LT(stream->messages(), kTasks / 10u);
  EXPECT_LE(stream->largest_message_bytes(), size_t{1} << 20);
  for (int i = 0; i < kTasks; ++i) {
    ASSERT_EQ(tasks[static_cast<size_t>(i)].sequence(), static_cast<uint64_t>(i) + 1);
    ASSERT_EQ(tasks[static_cast<size_t>(i)].task().payload(), std::to_string(i));
  }
  stream->Accept(1, kTasks);
  EXPECT_TRUE(client->Flush().ok());
}

TEST(Session, WhatIsSubmittedAtOnceIsOneRunAsFarAsTheWindowGoes) {
  FakeBroker broker;
  ClientOptions options = broker.Options();
  options.window_tasks = 100;
  auto [client, stream] = broker.Connect(options);
  const Executor executor(*client, ExecutorOptions("cpu"));
  std::vector<Future<int>> futures;
  std::thread submits([&] { futures = executor.SubmitAll(kSquare, std::views::iota(0, 150)); });
  // Those beyond the window are sent when there is room for them.
  std::vector<test::SequencedTask> tasks = stream->Tasks(100);
  EXPECT_EQ(stream->runs(), 1u);
  stream->Accept(1, 100);
  EXPECT_EQ(stream->Tasks(50).back().task().payload(), "149");
  stream->Accept(101, 150);
  submits.join();
  ASSERT_EQ(futures.size(), 150u);
  stream->Succeed(IdOf(7, 150), "7", "application/json");
  EXPECT_EQ(*futures.back().Result(), 7);
}

TEST(Session, ManyOutcomesThatNobodyReadsYetDoNotStopTheStream) {
  FakeBroker broker;
  auto [client, stream] = broker.Connect();
  const Executor executor(*client, ExecutorOptions("cpu"));
  std::vector<Future<Payload>> futures;
  for (int i = 0; i < 200; ++i) futures.push_back(executor.SubmitRaw("raw", Payload()));
  stream->Tasks(200);
  // More messages than the client keeps unhandled, and more bytes than flow control lets through.
  const std::string result(100'000, 'r');
  for (uint64_t i = 1; i <= 200; ++i) stream->Succeed(IdOf(7, i), result);
  for (const Future<Payload>& future : futures) EXPECT_EQ(future.Result()->bytes, result);
}

}  // namespace
}  // namespace treadle::client
