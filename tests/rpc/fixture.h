#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "proto/support/task_id.h"
#include "proto/wire/settings.h"
#include "tests/support/local_server.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/queue_service.grpc.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"
#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle::test {

// Longer than anything takes, even on a machine that is busy with much else.
inline constexpr auto kPatience = std::chrono::seconds(60);

inline auto PatienceEnds() { return std::chrono::system_clock::now() + kPatience; }

// A context that gives up after kPatience.
struct Context : grpc::ClientContext {
  Context() { set_deadline(PatienceEnds()); }
};

// Waits until `condition` holds; a failure when it does not within kPatience.
template <typename Condition>
void Eventually(Condition condition) {
  const auto end = PatienceEnds();
  while (!condition()) {
    ASSERT_LT(std::chrono::system_clock::now(), end) << "waited in vain";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// A server, and a client's stubs for it over one connection.
class RpcTest : public ::testing::Test {
 protected:
  explicit RpcTest(LocalServerOptions options = {}) : server(std::move(options)) {}

  static v1::TaskSpec Spec(const std::string& queue, const std::string& payload = "") {
    v1::TaskSpec spec;
    spec.set_queue(queue);
    spec.set_type("noop");
    spec.set_payload(payload);
    return spec;
  }

  v1::SubmitResult Submit(const v1::TaskSpec& spec) {
    Context context;
    v1::SubmitRequest request;
    *request.add_tasks() = spec;
    v1::SubmitResponse response;
    const grpc::Status status = tasks->Submit(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.results_size(), 1);
    return response.results_size() == 1 ? response.results(0) : v1::SubmitResult();
  }

  // Up to `max_tasks` from the queue, waiting for the first.
  v1::LeaseResponse Lease(const std::string& queue, int max_tasks = 1, int64_t wait_ms = 30'000) {
    Context context;
    v1::LeaseRequest request;
    request.add_queues(queue);
    request.set_max_tasks(max_tasks);
    request.set_wait_ms(wait_ms);
    request.set_worker_name("ten-liner");
    v1::LeaseResponse response;
    const grpc::Status status = workers->Lease(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static v1::AttemptReport Succeeded(const v1::LeasedTask& task, const std::string& result) {
    v1::AttemptReport report;
    report.set_token(task.token());
    report.set_end(v1::ATTEMPT_END_SUCCEEDED);
    report.set_result(result);
    return report;
  }

  v1::ReportResult Complete(const v1::AttemptReport& report) {
    Context context;
    v1::CompleteRequest request;
    *request.add_reports() = report;
    v1::CompleteResponse response;
    const grpc::Status status = workers->Complete(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.results_size(), 1);
    return response.results_size() == 1 ? response.results(0) : v1::ReportResult();
  }

  // Leases the next task of the queue and lets it fail.
  v1::LeasedTask Fail(const std::string& queue, const std::string& error_type,
                      const std::string& message = "") {
    const v1::LeasedTask task = Lease(queue).tasks(0);
    v1::AttemptReport failed;
    failed.set_token(task.token());
    failed.set_end(v1::ATTEMPT_END_FAILED);
    failed.mutable_error()->set_type(error_type);
    failed.mutable_error()->set_message(message);
    EXPECT_EQ(Complete(failed).status().code(), 0);
    return task;
  }

  v1::Queue GetQueue(const std::string& name) {
    Context context;
    v1::GetQueueRequest request;
    request.set_name(name);
    v1::GetQueueResponse response;
    EXPECT_TRUE(queues->GetQueue(&context, request, &response).ok());
    return response.queue();
  }

  v1::AwaitTaskResponse Await(const std::string& task_id, int64_t timeout_ms = 30'000) {
    Context context;
    v1::AwaitTaskRequest request;
    request.set_task_id(task_id);
    request.set_timeout_ms(timeout_ms);
    v1::AwaitTaskResponse response;
    const grpc::Status status = tasks->AwaitTask(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  v1::ServerInfo Info() {
    Context context;
    v1::GetServerInfoResponse response;
    const grpc::Status status = admin->GetServerInfo(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.server();
  }

  LocalServer server;
  std::shared_ptr<grpc::Channel> channel = server.NewChannel();
  std::unique_ptr<v1::TaskService::Stub> tasks = v1::TaskService::NewStub(channel);
  std::unique_ptr<v1::WorkerService::Stub> workers = v1::WorkerService::NewStub(channel);
  std::unique_ptr<v1::QueueService::Stub> queues = v1::QueueService::NewStub(channel);
  std::unique_ptr<v1::AdminService::Stub> admin = v1::AdminService::NewStub(channel);
};

}  // namespace treadle::test
