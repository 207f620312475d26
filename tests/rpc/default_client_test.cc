#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "tests/rpc/stream.h"
#include "tests/support/tcp_proxy.h"

namespace treadle::test {
namespace {

// A client of gRPC that was told nothing takes messages of 4 MiB: whatever is legal fits.
class DefaultClient : public RpcTest {
 protected:
  explicit DefaultClient(LocalServerOptions options = {}) : RpcTest(std::move(options)) {
    channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
    tasks = v1::TaskService::NewStub(channel);
    workers = v1::WorkerService::NewStub(channel);
  }

  static v1::TaskSpec Largest(const std::string& queue) {
    v1::TaskSpec spec = Spec(queue, std::string(limits::kPayloadBytesMax, 'p'));
    spec.set_type(std::string(limits::kNameBytesMax, 't'));
    spec.set_content_type(std::string(limits::kContentTypeBytesMax, 'c'));
    const int64_t each = limits::kHeadersBytesMax / limits::kHeadersMax;
    for (int64_t i = 0; i < limits::kHeadersMax; ++i) {
      const std::string key = absl::StrCat(i);
      (*spec.mutable_headers())[key] = std::string(static_cast<size_t>(each) - key.size(), 'h');
    }
    return spec;
  }
};

TEST_F(DefaultClient, TakesTheLargestTaskAndTheLargestResult) {
  const std::string queue(limits::kNameBytesMax, 'q');
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Submit(Largest(queue)).status().code(), 0);
  for (int i = 0; i < 3; ++i) {
    const v1::LeaseResponse leased = Lease(queue, 10);
    ASSERT_EQ(leased.tasks_size(), 1);
    EXPECT_EQ(leased.tasks(0).attempt(), 1);
    v1::AttemptReport report =
        Succeeded(leased.tasks(0), std::string(limits::kPayloadBytesMax, 'r'));
    report.set_content_type(std::string(limits::kContentTypeBytesMax, 'c'));
    EXPECT_EQ(Complete(report).status().code(), 0);
    EXPECT_EQ(Await(leased.tasks(0).task_id()).outcome().result().size(),
              static_cast<size_t>(limits::kPayloadBytesMax));
  }
}

TEST_F(DefaultClient, TakesManyTasksWithManyHeaders) {
  v1::TaskSpec spec = Largest("mail");
  spec.set_payload("small");
  v1::SubmitRequest request;
  for (int i = 0; i < 400; ++i) *request.add_tasks() = spec;
  Context context;
  v1::SubmitResponse response;
  ASSERT_TRUE(tasks->Submit(&context, request, &response).ok());
  for (int left = 400; left > 0;) {
    const v1::LeaseResponse leased = Lease("mail", 1'000);
    ASSERT_GT(leased.tasks_size(), 0);
    left -= leased.tasks_size();
  }
}

TEST_F(DefaultClient, TakesAListOfLongErrors) {
  constexpr int kTasks = 150;
  const std::string text(limits::kErrorMessageBytesMax, 'm');
  for (int i = 0; i < kTasks; ++i) {
    v1::TaskSpec spec = Spec("fails");
    spec.set_max_attempts(1);
    Submit(spec);
    v1::AttemptReport report = Succeeded(Lease("fails").tasks(0), "");
    report.set_end(v1::ATTEMPT_END_FAILED);
    report.mutable_error()->set_type("E");
    report.mutable_error()->set_message(text);
    ASSERT_EQ(Complete(report).status().code(), 0);
  }
  v1::ListTasksRequest request;
  request.set_queue("fails");
  request.set_include_finished(true);
  request.set_page_size(limits::kPageSizeMax);
  int seen = 0;
  do {
    Context context;
    v1::ListTasksResponse page;
    const grpc::Status status = tasks->ListTasks(&context, request, &page);
    ASSERT_TRUE(status.ok()) << status.error_message();
    seen += page.tasks_size();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, kTasks);
}

TEST_F(DefaultClient, TakesTenThousandRefusals) {
  v1::SubmitRequest submit;
  v1::TaskSpec bad = Spec(std::string(limits::kNameBytesMax, 'q'));
  bad.set_type("a\nb");
  bad.set_priority(5);
  for (int i = 0; i < limits::kBatchTasksMax; ++i) *submit.add_tasks() = bad;
  Context submitting;
  v1::SubmitResponse refused;
  ASSERT_TRUE(tasks->Submit(&submitting, submit, &refused).ok());
  ASSERT_EQ(refused.results_size(), limits::kBatchTasksMax);
  EXPECT_THAT(refused.results(0).status().message(), ::testing::HasSubstr("control characters"));

  v1::CompleteRequest complete;
  for (int i = 0; i < limits::kBatchTasksMax; ++i) {
    complete.add_reports()->set_token(1);
  }
  Context completing;
  v1::CompleteResponse completed;
  const grpc::Status status = workers->Complete(&completing, complete, &completed);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(completed.results(0).status().code(), grpc::INVALID_ARGUMENT);
}

class LargePayloads : public DefaultClient {
 protected:
  LargePayloads() : DefaultClient(Large()) {}
  static LocalServerOptions Large() {
    LocalServerOptions options;
    options.rpc.payload_bytes_max = 8 << 20;
    options.broker.engine.lease_ms = 10 * limits::kMinuteMs;  // nothing comes back by its end
    return options;
  }
};

// Not an attempt that was lost, again and again.
TEST_F(LargePayloads, WhatAClientCannotTakeIsToldAndCostsNoAttempt) {
  auto large = v1::WorkerService::NewStub(wire::NewChannel(*ParseAddress(server.address())));
  v1::TaskSpec spec = Spec("mail", std::string(5 << 20, 'p'));
  spec.set_max_attempts(1);
  const std::string id = Submit(spec).task_id();
  v1::LeaseRequest request;
  request.add_queues("mail");
  request.set_wait_ms(10'000);
  for (int i = 0; i < 2; ++i) {
    Context context;
    v1::LeaseResponse response;
    const grpc::Status status = workers->Lease(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::FAILED_PRECONDITION);
    EXPECT_THAT(status.error_message(), ::testing::HasSubstr(id));
    EXPECT_THAT(status.error_message(), ::testing::HasSubstr("grpc.max_receive_message_length"));
  }
  {
    WorkerClient worker(*workers);
    v1::AttachRequest hello = WorkerClient::Hello("w", "mail");
    WorkerClient::AddCredit(hello, 1);
    ASSERT_TRUE(worker.Write(hello));
    v1::AttachResponse response;
    while (worker.NextRaw(response)) EXPECT_EQ(response.runs_size(), 0);
    EXPECT_EQ(worker.Finish().error_code(), grpc::FAILED_PRECONDITION);
  }
  Context context;
  request.set_message_bytes_max(wire::kTakenBytesMax);
  v1::LeaseResponse response;
  ASSERT_TRUE(large->Lease(&context, request, &response).ok());
  ASSERT_EQ(response.tasks_size(), 1);
  EXPECT_EQ(response.tasks(0).attempt(), 1);
  EXPECT_EQ(response.tasks(0).payload().size(), static_cast<size_t>(5 << 20));
}

// What lay behind it in the same lease is not lost with it, until the lease would end.
TEST_F(LargePayloads, WhatWasLeasedTogetherWithItGoesBackToo) {
  const std::string large = Submit(Spec("mail", std::string(5 << 20, 'p'))).task_id();
  for (int i = 0; i < 3; ++i) Submit(Spec("mail", "small"));
  {
    WorkerClient worker(*workers);
    v1::AttachRequest hello = WorkerClient::Hello("w", "mail");
    WorkerClient::AddCredit(hello, 4);
    ASSERT_TRUE(worker.Write(hello));
    EXPECT_EQ(worker.Finish().error_code(), grpc::FAILED_PRECONDITION);
  }
  Context context;
  v1::CancelTaskRequest cancel;
  cancel.set_task_id(large);
  v1::CancelTaskResponse cancelled;
  ASSERT_TRUE(tasks->CancelTask(&context, cancel, &cancelled).ok());
  int leased = 0;
  while (leased < 3) {
    const v1::LeaseResponse response = Lease("mail", 3);
    ASSERT_GT(response.tasks_size(), 0) << "after " << leased;
    for (const v1::LeasedTask& task : response.tasks()) EXPECT_EQ(task.attempt(), 1);
    leased += response.tasks_size();
  }
}

TEST_F(LargePayloads, AnAnswerThatCouldWaitComesBeforeTheEndForOneThatCannotBeTaken) {
  const std::string small = Submit(Spec("mail")).task_id();
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w", "mail");
  WorkerClient::AddCredit(hello, 2);
  ASSERT_TRUE(worker.Write(hello));
  ASSERT_TRUE(worker.Next().has_welcome());
  v1::AttachRequest report;
  report.set_report_sequence(1);
  report.set_answer_may_wait(true);
  *report.add_reports() = Succeeded(WorkerClient::TasksOf(worker.Next()).at(0), "done");
  ASSERT_TRUE(worker.Write(report));
  ASSERT_TRUE(Await(small).finished());

  Submit(Spec("mail", std::string(5 << 20, 'p')));
  uint64_t handled = 0;
  v1::AttachResponse response;
  while (worker.NextRaw(response)) {
    handled = std::max<uint64_t>(handled, response.handled_report_sequence());
  }
  EXPECT_EQ(handled, 1u);
  EXPECT_EQ(worker.Finish().error_code(), grpc::FAILED_PRECONDITION);
}

// Together they would be more than it takes, each of them is not.
TEST_F(LargePayloads, AWorkerThatTakesLittleIsSentLittleAtATime) {
  constexpr int64_t kTakenBytes = 512 << 10;
  for (int i = 0; i < 4; ++i) Submit(Spec("mail", std::string(300 << 10, 'p')));
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w", "mail");
  hello.mutable_hello()->set_message_bytes_max(kTakenBytes);
  WorkerClient::AddCredit(hello, 4);
  ASSERT_TRUE(worker.Write(hello));
  for (int given = 0; given < 4;) {
    const v1::AttachResponse response = worker.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u) << worker.Finish().error_message();
    EXPECT_LE(static_cast<int64_t>(response.ByteSizeLong()), kTakenBytes);
    given += static_cast<int>(WorkerClient::TasksOf(response).size());
  }
}

class SmallOutgoing : public RpcTest {
 protected:
  SmallOutgoing() : RpcTest(Small()) {}
  static LocalServerOptions Small() {
    LocalServerOptions options;
    options.rpc.outgoing_bytes_sum_max = 64 << 20;
    return options;
  }
};

TEST_F(SmallOutgoing, AConnectionThatDoesNotReadItsAnswersIsRefusedMoreAndOthersAreServed) {
  constexpr int kAwaits = 40;
  const std::string id = Submit(Spec("mail")).task_id();
  TcpProxy proxy(server.port());
  auto deaf = v1::TaskService::NewStub(wire::NewChannel(*ParseAddress(proxy.address())));
  v1::AwaitTaskRequest request;
  request.set_task_id(id);
  request.set_timeout_ms(600'000);
  std::vector<std::unique_ptr<Context>> contexts;
  std::vector<v1::AwaitTaskResponse> responses(kAwaits);
  std::mutex mutex;
  int served = 0;
  std::vector<grpc::Status> refused;
  for (int i = 0; i < kAwaits; ++i) {
    contexts.push_back(std::make_unique<Context>());
    deaf->async()->AwaitTask(contexts.back().get(), &request, &responses[i],
                             [&](const grpc::Status& status) {
                               std::lock_guard lock(mutex);
                               if (status.ok()) {
                                 ++served;
                               } else {
                                 refused.push_back(status);
                               }
                             });
  }
  // Answered after the awaits have come: they are on the same connection.
  Context context;
  v1::GetTaskRequest get;
  get.set_task_id(id);
  v1::GetTaskResponse shown;
  ASSERT_TRUE(deaf->GetTask(&context, get, &shown).ok());

  proxy.Freeze();
  Complete(Succeeded(Lease("mail").tasks(0), std::string(3 << 20, 'r')));
  // The others have their share all the while.
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Await(id).finished());
  proxy.Thaw();
  Eventually([&] {
    std::lock_guard lock(mutex);
    return served + static_cast<int>(refused.size()) == kAwaits;
  });
  EXPECT_GT(served, 0);
  ASSERT_FALSE(refused.empty());
  for (const grpc::Status& status : refused) {
    EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), ::testing::HasSubstr("--outgoing-max"));
  }
}

}  // namespace
}  // namespace treadle::test
