#include <atomic>
#include <set>
#include <string>
#include <thread>

#include "proto/support/limits.h"
#include "tests/rpc/stream.h"
#include "tests/support/tcp_proxy.h"

namespace treadle::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Session : public RpcTest {
 protected:
  // Reads until everything up to `last` is accepted; the number of messages that it took.
  static int ReadAccepted(SessionClient& session, uint64_t last) {
    uint64_t accepted = 0;
    int messages = 0;
    while (accepted < last) {
      const v1::SessionResponse response = session.Next();
      if (response.ByteSizeLong() == 0) return -1;
      ++messages;
      for (const v1::AcceptedRange& range : response.accepted()) {
        EXPECT_EQ(range.first_sequence(), accepted + 1);
        accepted = range.last_sequence();
      }
    }
    return messages;
  }

  std::string TaskIdOf(uint64_t session, uint64_t sequence) {
    return TaskId{session, sequence}.ToString();
  }
};

TEST_F(Session, SubmitsAreAcceptedAndOutcomesComeBack) {
  SessionClient session(*tasks);
  const v1::SessionOpened opened = session.Open();
  EXPECT_NE(opened.session_id(), 0u);
  EXPECT_FALSE(opened.resumed());
  EXPECT_EQ(opened.heartbeat_ms(), 3'000);
  EXPECT_EQ(opened.idle_heartbeat_ms(), 45'000);
  EXPECT_EQ(opened.payload_bytes_max(), limits::kPayloadBytesMax);
  session.Submit(1, Spec("mail", "hello"));
  EXPECT_EQ(ReadAccepted(session, 1), 1);

  const v1::LeaseResponse leased = Lease("mail");
  ASSERT_EQ(leased.tasks_size(), 1);
  EXPECT_EQ(leased.tasks(0).task_id(), TaskIdOf(opened.session_id(), 1));
  Complete(Succeeded(leased.tasks(0), "42"));
  const v1::SessionResponse response = session.Next();
  ASSERT_EQ(response.succeeded_size(), 1);
  const v1::OutcomeRun& run = response.succeeded(0);
  EXPECT_EQ(run.first_sequence(), 1u);
  EXPECT_THAT(run.result_sizes(), ElementsAre(2));
  EXPECT_EQ(run.results(), "42");
  EXPECT_EQ(run.attempts(), 1);
  EXPECT_GT(run.finished_at_ms(), 0);
}

TEST_F(Session, ARunIsSubmittedAndComesBackAsOne) {
  SessionClient session(*tasks);
  v1::SessionRequest request;
  request.mutable_open();
  v1::TaskRun& run = *request.add_runs();
  run.set_first_sequence(1);
  *run.mutable_common() = Spec("mail", "");
  run.mutable_common()->set_content_type("text/plain");
  for (const uint32_t size : {3, 0, 5}) run.add_payload_sizes(size);
  run.set_payloads("onethree");
  session.Write(request);
  const uint64_t id = session.Next().opened().session_id();
  ReadAccepted(session, 3);

  const v1::LeaseResponse leased = Lease("mail", 3);
  ASSERT_EQ(leased.tasks_size(), 3);
  v1::CompleteRequest complete;
  for (int i = 0; i < 3; ++i) {
    const v1::LeasedTask& task = leased.tasks(i);
    EXPECT_EQ(task.task_id(), TaskIdOf(id, static_cast<uint64_t>(i) + 1));
    EXPECT_EQ(task.content_type(), "text/plain");
    *complete.add_reports() = Succeeded(task, task.payload() + "!");
  }
  EXPECT_EQ(leased.tasks(0).payload(), "one");
  EXPECT_EQ(leased.tasks(1).payload(), "");
  EXPECT_EQ(leased.tasks(2).payload(), "three");
  Context context;
  v1::CompleteResponse completed;
  ASSERT_TRUE(workers->Complete(&context, complete, &completed).ok());
  const v1::SessionResponse response = session.Next();
  ASSERT_EQ(response.succeeded_size(), 1) << response.DebugString();
  EXPECT_EQ(response.succeeded(0).first_sequence(), 1u);
  EXPECT_THAT(response.succeeded(0).result_sizes(), ElementsAre(4, 1, 6));
  EXPECT_EQ(response.succeeded(0).results(), "one!!three!");
}

TEST_F(Session, WhatIsRefusedForOneReasonIsOneRange) {
  SessionClient session(*tasks);
  session.Open();
  v1::SessionRequest request;
  v1::TaskRun& run = *request.add_runs();
  run.set_first_sequence(1);
  *run.mutable_common() = Spec("mail", "");
  run.mutable_common()->set_max_attempts(-1);
  for (int i = 0; i < 100; ++i) run.add_payload_sizes(0);
  AddTask(101, Spec("mail"), request);
  session.Write(request);
  uint64_t refused = 0;
  uint64_t accepted = 0;
  while (refused < 100 || accepted == 0) {
    const v1::SessionResponse response = session.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    for (const v1::RefusedRange& range : response.refused()) {
      EXPECT_EQ(range.first_sequence(), refused + 1);
      refused = range.last_sequence();
      EXPECT_EQ(range.status().code(), grpc::INVALID_ARGUMENT);
      EXPECT_THAT(range.status().message(), HasSubstr("max_attempts"));
    }
    EXPECT_LE(response.refused_size(), 1);
    if (response.accepted_size() > 0) accepted = response.accepted(0).first_sequence();
  }
  EXPECT_EQ(accepted, 101u);
}

TEST_F(Session, TheFirstMessageMayCarryTasks) {
  SessionClient session(*tasks);
  v1::SessionRequest request;
  request.mutable_open();
  AddTask(1, Spec("mail"), request);
  AddTask(2, Spec("mail"), request);
  session.Write(request);
  EXPECT_TRUE(session.Next().has_opened());
  EXPECT_EQ(ReadAccepted(session, 2), 1);
}

TEST_F(Session, ALargeBatchIsAcceptedInFewMessages) {
  SessionClient session(*tasks);
  session.Open();
  v1::SessionRequest request;
  for (uint64_t i = 1; i <= 10'000; ++i) AddTask(i, Spec("mail"), request);
  session.Write(request);
  const int messages = ReadAccepted(session, 10'000);
  EXPECT_GE(messages, 1);
  EXPECT_LE(messages, 20);  // one for each of the broker's turns at most
}

TEST_F(Session, ABadItemIsRefusedAndTheOthersAreAccepted) {
  SessionClient session(*tasks);
  session.Open();
  v1::SessionRequest request;
  AddTask(1, Spec("mail"), request);
  AddTask(2, Spec(""), request);
  AddTask(3, Spec("mail"), request);
  session.Write(request);
  std::vector<uint64_t> accepted;
  v1::RefusedRange refused;
  while (accepted.size() < 2 || refused.first_sequence() == 0) {
    const v1::SessionResponse response = session.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    for (const auto& range : response.accepted()) accepted.push_back(range.first_sequence());
    for (const auto& range : response.refused()) refused = range;
  }
  EXPECT_THAT(accepted, ElementsAre(1, 3));
  EXPECT_EQ(refused.first_sequence(), 2u);
  EXPECT_EQ(refused.last_sequence(), 2u);
  EXPECT_EQ(refused.status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(refused.status().message(), HasSubstr("queue: empty"));
}

TEST_F(Session, ARequestKeyNamesTheFirstTask) {
  SessionClient session(*tasks);
  const uint64_t id = session.Open().session_id();
  v1::TaskSpec spec = Spec("mail", "once");
  spec.set_request_key("k");
  session.Submit(1, spec);
  ReadAccepted(session, 1);
  session.Submit(2, spec);
  const v1::SessionResponse second = session.Next();
  ASSERT_EQ(second.existing_size(), 1);
  EXPECT_EQ(second.existing(0).sequence(), 2u);
  EXPECT_EQ(second.existing(0).task_id(), TaskIdOf(id, 1));
  spec.set_payload("other");
  session.Submit(3, spec);
  const v1::SessionResponse third = session.Next();
  ASSERT_EQ(third.refused_size(), 1);
  EXPECT_EQ(third.refused(0).status().code(), grpc::ALREADY_EXISTS);
}

TEST_F(Session, AHalfClosedSessionIsForgotten) {
  const int64_t sessions_before = Info().sessions();
  SessionClient session(*tasks);
  const v1::SessionOpened opened = session.Open();
  EXPECT_EQ(Info().sessions(), sessions_before + 1);
  session.HalfClose();
  EXPECT_TRUE(session.Finish().ok());
  // The stream's end reaches the client before the broker hears of it.
  Eventually([&] { return Info().sessions() == sessions_before; });
  SessionClient again(*tasks);
  again.Open(opened);
  const grpc::Status status = again.Finish();
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("session_id"));
}

TEST_F(Session, ACancelledStreamIsResumedAndWhatWasSentTwiceIsAcceptedOnce) {
  v1::SessionOpened before;
  {
    SessionClient session(*tasks);
    before = session.Open();
    session.Submit(1, Spec("mail"));
    ReadAccepted(session, 1);
    session.Cancel();
    EXPECT_EQ(session.Finish().error_code(), grpc::CANCELLED);
  }
  SessionClient session(*tasks);
  const v1::SessionOpened opened = session.Open(before);
  EXPECT_TRUE(opened.resumed());
  EXPECT_EQ(opened.session_id(), before.session_id());
  EXPECT_EQ(opened.resume_secret(), before.resume_secret());
  v1::SessionRequest request;
  AddTask(1, Spec("mail"), request);
  AddTask(2, Spec("mail"), request);
  session.Write(request);
  ReadAccepted(session, 2);
  EXPECT_EQ(Lease("mail", 10).tasks_size(), 2);
  EXPECT_EQ(Lease("mail", 10, 0).tasks_size(), 0);
}

TEST_F(Session, ACutConnectionKeepsTheSession) {
  TcpProxy proxy(server.port());
  for (int round = 0; round < 5; ++round) {
    v1::SessionOpened before;
    {
      auto stub = v1::TaskService::NewStub(wire::NewChannel(*ParseAddress(proxy.address())));
      SessionClient session(*stub);
      before = session.Open();
      ASSERT_NE(before.session_id(), 0u);
      v1::SessionRequest request;
      AddTask(1, Spec("mail"), request);
      session.Write(request);
      ASSERT_EQ(session.Next().accepted_size(), 1);
      proxy.Cut();
      EXPECT_EQ(session.Finish().error_code(), grpc::UNAVAILABLE);
    }
    SessionClient session(*tasks);
    EXPECT_TRUE(session.Open(before).resumed()) << session.Finish().error_message();
  }
}

class FewSessions : public RpcTest {
 protected:
  FewSessions() : RpcTest(Few()) {}
  static LocalServerOptions Few() {
    LocalServerOptions options;
    options.broker.engine.sessions_max = 10;
    return options;
  }
};

TEST_F(FewSessions, AClientThatOpensAndLeavesThemKeepsNobodyOut) {
  v1::SessionOpened first;
  for (int i = 0; i < 30; ++i) {
    SessionClient session(*tasks);
    const v1::SessionOpened opened = session.Open();
    ASSERT_NE(opened.session_id(), 0u) << session.Finish().error_message();
    if (i == 0) first = opened;
    session.Cancel();
    Eventually([&] { return Info().sessions() <= 1; });
  }
  SessionClient again(*tasks);
  again.Open(first);
  EXPECT_EQ(again.Finish().error_code(), grpc::NOT_FOUND);
}

TEST_F(Session, OutcomesOfOtherTasksCanBeAwaited) {
  const std::string known = Submit(Spec("mail")).task_id();
  SessionClient session(*tasks);
  session.Open();
  v1::SessionRequest request;
  request.add_await_task_ids(known);
  request.add_await_task_ids("zz-1");
  request.add_await_task_ids("not an id");
  request.add_cancel_task_ids("zz-2");
  session.Write(request);
  std::map<std::string, int> unknown;
  while (unknown.size() < 3) {
    const v1::SessionResponse response = session.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    for (const auto& task : response.unknown_tasks())
      unknown[task.task_id()] = task.status().code();
  }
  EXPECT_EQ(unknown["zz-1"], grpc::NOT_FOUND);
  EXPECT_EQ(unknown["zz-2"], grpc::NOT_FOUND);
  EXPECT_EQ(unknown["not an id"], grpc::INVALID_ARGUMENT);

  v1::SessionRequest cancel;
  cancel.add_cancel_task_ids(known);
  session.Write(cancel);
  const v1::SessionResponse response = session.Next();
  ASSERT_EQ(response.outcomes_size(), 1);
  EXPECT_EQ(response.outcomes(0).task_id(), known);
  EXPECT_EQ(response.outcomes(0).state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(response.outcomes(0).error().type(), "Cancelled");
}

TEST_F(Session, OutcomesCanBeLeftOutUnlessAwaited) {
  SessionClient session(*tasks);
  v1::SessionRequest request;
  request.mutable_open()->set_outcomes_on_request_only(true);
  AddTask(1, Spec("mail"), request);
  AddTask(2, Spec("mail"), request);
  session.Write(request);
  const uint64_t id = session.Next().opened().session_id();
  ReadAccepted(session, 2);
  v1::SessionRequest await;
  await.add_await_task_ids(TaskIdOf(id, 2));
  session.Write(await);
  const v1::LeaseResponse leased = Lease("mail", 2);
  for (const v1::LeasedTask& task : leased.tasks()) Complete(Succeeded(task, "done"));
  const v1::SessionResponse response = session.Next();
  EXPECT_EQ(response.outcomes_size(), 0);
  ASSERT_EQ(response.succeeded_size(), 1);
  EXPECT_EQ(response.succeeded(0).first_sequence(), 2u);
  EXPECT_EQ(response.succeeded(0).result_sizes_size(), 1);
}

TEST_F(Session, ASecondStreamTakesTheSessionOver) {
  SessionClient first(*tasks);
  const v1::SessionOpened opened = first.Open();
  SessionClient second(*tasks);
  EXPECT_TRUE(second.Open(opened).resumed());
  EXPECT_FALSE(first.Finish().ok());
  second.Submit(1, Spec("mail"));
  EXPECT_EQ(ReadAccepted(second, 1), 1);
}

// Promise 9: who knows a session's number cannot go on with it, nor does its stream notice.
TEST_F(Session, IsResumedOnlyWithItsSecret) {
  SessionClient session(*tasks);
  const v1::SessionOpened opened = session.Open();
  EXPECT_EQ(opened.resume_secret().size(), 16u);
  EXPECT_LT(opened.session_id(), uint64_t{1} << 53);
  v1::SessionOpened stranger = opened;
  for (const std::string& secret : {std::string(), std::string(16, '\0'), std::string(16, 'x')}) {
    stranger.set_resume_secret(secret);
    SessionClient thief(*tasks);
    thief.Open(stranger);
    const grpc::Status status = thief.Finish();
    EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
    EXPECT_THAT(status.error_message(), HasSubstr("resume_secret"));
  }
  session.Submit(1, Spec("mail"));
  EXPECT_EQ(ReadAccepted(session, 1), 1);
}

TEST_F(Session, EachHasASecretOfItsOwn) {
  std::set<std::string> secrets;
  for (int i = 0; i < 20; ++i) secrets.insert(SessionClient(*tasks).Open().resume_secret());
  EXPECT_EQ(secrets.size(), 20u);
}

TEST_F(Session, ASecretThatNobodyGaveIsNamed) {
  v1::SessionOpened before;
  before.set_session_id(1);
  before.set_resume_secret("short");
  SessionClient session(*tasks);
  session.Open(before);
  grpc::Status status = session.Finish();
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("open.resume_secret: has 5 bytes"));
  before.set_session_id(0);
  before.set_resume_secret(std::string(16, 'x'));
  SessionClient fresh(*tasks);
  fresh.Open(before);
  status = fresh.Finish();
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("session_id 0"));
}

TEST_F(Session, AHeartbeatIsAnsweredWhenTheBrokerHasSaidNothingForAWhile) {
  SessionClient session(*tasks);
  session.Open();
  std::atomic<int> heard = 0;
  std::thread reader([&] {
    v1::SessionResponse response;
    while (heard < 2 && session.NextRaw(response)) {
      EXPECT_EQ(response.ByteSizeLong(), 0u);
      ++heard;
    }
  });
  int said = 0;
  Eventually([&] {
    ++said;
    return !session.Write({}) || heard == 2;
  });
  reader.join();
  EXPECT_EQ(heard, 2);
  EXPECT_GT(said, 2);  // more were too soon
}

TEST_F(Session, AnAnswerThatMayWaitComesByItself) {
  SessionClient session(*tasks);
  session.Open();
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    v1::SessionRequest request;
    AddTask(sequence, Spec("mail"), request);
    request.set_answer_may_wait(true);
    session.Write(request);
    const v1::SessionResponse response = session.Next();
    ASSERT_EQ(response.accepted_size(), 1);
    EXPECT_EQ(response.accepted(0).last_sequence(), sequence);
  }
}

TEST_F(Session, AnAnswerThatMayWaitComesBeforeTheOutcomeOrWithIt) {
  SessionClient session(*tasks);
  session.Open();
  uint64_t accepted = 0;
  for (uint64_t sequence = 1; sequence <= 20; ++sequence) {
    v1::SessionRequest request;
    AddTask(sequence, Spec("mail"), request);
    request.set_answer_may_wait(true);
    session.Write(request);
    const v1::LeaseResponse leased = Lease("mail", 1);
    for (const v1::LeasedTask& task : leased.tasks()) Complete(Succeeded(task, ""));
    for (uint64_t ended = 0; ended < sequence;) {
      const v1::SessionResponse response = session.Next();
      ASSERT_GT(response.ByteSizeLong(), 0u);
      for (const v1::AcceptedRange& range : response.accepted()) accepted = range.last_sequence();
      for (const v1::OutcomeRun& run : response.succeeded()) ended = run.first_sequence();
      EXPECT_GE(accepted, ended);
    }
  }
}

TEST_F(Session, WaitsForRoomInAFullQueue) {
  v1::CreateQueueRequest create;
  create.mutable_config()->set_name("small");
  create.mutable_config()->set_max_tasks(1);
  Context context;
  v1::CreateQueueResponse created;
  ASSERT_TRUE(queues->CreateQueue(&context, create, &created).ok());
  SessionClient session(*tasks);
  session.Open();
  v1::TaskSpec patient = Spec("small");
  patient.set_wait_if_full_ms(60'000);
  v1::SessionRequest request;
  AddTask(1, Spec("small"), request);
  AddTask(2, Spec("small"), request);
  AddTask(3, patient, request);
  session.Write(request);
  bool refused = false;
  uint64_t accepted = 0;
  while (!refused || accepted == 0) {
    const v1::SessionResponse response = session.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    if (response.accepted_size() > 0) accepted = response.accepted(0).last_sequence();
    for (const auto& range : response.refused()) {
      refused = true;
      EXPECT_EQ(range.first_sequence(), 2u);
      EXPECT_EQ(range.last_sequence(), 2u);
      EXPECT_EQ(range.status().code(), grpc::RESOURCE_EXHAUSTED);
      EXPECT_THAT(range.status().message(), HasSubstr("'small' is full"));
    }
  }
  EXPECT_EQ(accepted, 1u);
  EXPECT_EQ(Lease("small").tasks_size(), 1);
  const v1::SessionResponse response = session.Next();
  ASSERT_EQ(response.accepted_size(), 1);
  EXPECT_EQ(response.accepted(0).first_sequence(), 3u);
}

class SlowSession : public RpcTest {
 protected:
  SlowSession() : RpcTest(SoonSilent()) {}
  static LocalServerOptions SoonSilent() {
    LocalServerOptions options;
    options.rpc.first_message_ms = 3'000;
    return options;
  }
};

// On this link it takes three times as long as a stream may be silent.
TEST_F(SlowSession, AFirstMessageMayArriveSlowly) {
  constexpr int64_t kBytesPerSecond = 100'000;
  TcpProxy link(server.port());
  const std::shared_ptr<grpc::Channel> far =
      grpc::CreateChannel(link.address(), grpc::InsecureChannelCredentials());
  ASSERT_TRUE(far->WaitForConnected(PatienceEnds()));
  link.SlowDown(kBytesPerSecond);
  const std::unique_ptr<v1::TaskService::Stub> stub = v1::TaskService::NewStub(far);
  SessionClient session(*stub);
  v1::SessionRequest first;
  first.mutable_open();
  AddTask(1, Spec("q", std::string(9 * kBytesPerSecond, 'x')), first);
  session.Write(first);
  EXPECT_GT(session.Next().opened().session_id(), 0u) << session.Finish().error_message();
  EXPECT_EQ(session.Next().accepted_size(), 1);
}

}  // namespace
}  // namespace treadle::test
