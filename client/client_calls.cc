#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client_impl.h"
#include "client/future/task_spec.h"
#include "client/session/watched_call.h"

#include "proto/support/task_id.h"
#include "proto/support/utf8.h"
#include "proto/wire/metadata.h"
#include "proto/wire/status.h"

// The client's plain calls, each one request and one response, with a deadline.

namespace treadle {
namespace {

constexpr int32_t kPageSize = limits::kPageSizeMax;

absl::Status CheckName(std::string_view name) {
  if (IsUtf8(name)) return absl::OkStatus();
  return absl::InvalidArgumentError("name is not UTF-8: give another");
}

template <typename Stub, typename Request, typename Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(const ClientOptions& options, Stub& stub,
                              Method<Stub, Request, Response> method, const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(CallDeadline(options.call_timeout));
  if (!options.actor.empty()) context.AddMetadata(wire::kActorMetadata, options.actor);
  Response response;
  absl::Status status = wire::FromGrpc((stub.*method)(&context, request, &response));
  if (absl::IsUnavailable(status)) {
    return absl::UnavailableError(
        absl::StrCat(status.message(), " (broker at ", options.address, ")"));
  }
  if (!status.ok()) return status;
  return response;
}

// What all pages of a list have, `items` of each.
template <typename Stub, typename Request, typename Response, typename Item>
absl::StatusOr<std::vector<Item>> AllPages(
    const ClientOptions& options, Stub& stub, Method<Stub, Request, Response> method,
    google::protobuf::RepeatedPtrField<Item>* (Response::*items)()) {
  std::vector<Item> all;
  Request request;
  request.set_page_size(kPageSize);
  do {
    absl::StatusOr<Response> page = Call(options, stub, method, request);
    if (!page.ok()) return page.status();
    for (Item& item : *((*page).*items)()) all.push_back(std::move(item));
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return all;
}

template <typename Request, typename Response>
absl::StatusOr<Response> CallNamed(const ClientOptions& options, v1::QueueService::Stub& stub,
                                   Method<v1::QueueService::Stub, Request, Response> method,
                                   std::string_view queue) {
  absl::Status status = CheckName(queue);
  if (!status.ok()) return status;
  Request request;
  request.set_name(std::string(queue));
  return Call(options, stub, method, request);
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallForTask(const ClientOptions& options, Stub& stub,
                                     Method<Stub, Request, Response> method,
                                     std::string_view task_id, Request request = {}) {
  absl::Status status = TaskId::Parse(task_id).status();
  if (!status.ok()) return status;
  request.set_task_id(std::string(task_id));
  return Call(options, stub, method, request);
}

// The one field that a response is about.
template <typename Value, typename Response>
absl::StatusOr<Value> Take(absl::StatusOr<Response> response, Value* (Response::*field)()) {
  if (!response.ok()) return response.status();
  return std::move(*((*response).*field)());
}

}  // namespace

absl::StatusOr<v1::Task> Client::GetTask(std::string_view task_id) {
  return Take(CallForTask(impl_->options, *impl_->tasks, &v1::TaskService::Stub::GetTask, task_id),
              &v1::GetTaskResponse::mutable_task);
}

absl::StatusOr<v1::GetPayloadResponse> Client::GetPayload(std::string_view task_id) {
  return CallForTask(impl_->options, *impl_->tasks, &v1::TaskService::Stub::GetPayload, task_id);
}

absl::StatusOr<v1::ExplainTaskResponse> Client::ExplainTask(std::string_view task_id) {
  return CallForTask(impl_->options, *impl_->tasks, &v1::TaskService::Stub::ExplainTask, task_id);
}

absl::StatusOr<v1::ExplainSubmitResponse> Client::ExplainSubmit(std::string_view queue,
                                                                std::string_view type,
                                                                const Payload& payload,
                                                                const SubmitOptions& submit) {
  absl::Status status = CheckName(queue);
  status.Update(CheckName(type));
  v1::ExplainSubmitRequest request;
  v1::TaskSpec& task = *request.mutable_task();
  status.Update(client::WriteSpec(submit, task));
  if (!status.ok()) return status;
  task.set_queue(std::string(queue));
  task.set_type(std::string(type));
  task.set_payload(payload.bytes);
  task.set_content_type(payload.content_type);
  task.set_request_key(submit.request_key);
  return Call(impl_->options, *impl_->tasks, &v1::TaskService::Stub::ExplainSubmit, request);
}

absl::StatusOr<v1::Task> Client::CancelTask(std::string_view task_id, std::string_view reason) {
  if (!IsUtf8(reason)) return absl::InvalidArgumentError("reason is not UTF-8: give another");
  v1::CancelTaskRequest request;
  request.set_reason(std::string(reason));
  return Take(CallForTask(impl_->options, *impl_->tasks, &v1::TaskService::Stub::CancelTask,
                          task_id, std::move(request)),
              &v1::CancelTaskResponse::mutable_task);
}

absl::StatusOr<v1::ListTasksResponse> Client::ListTasks(const v1::ListTasksRequest& request) {
  absl::Status status = CheckName(request.queue());
  status.Update(CheckName(request.type()));
  status.Update(CheckName(request.filter()));
  if (!status.ok()) return status;
  return Call(impl_->options, *impl_->tasks, &v1::TaskService::Stub::ListTasks, request);
}

absl::StatusOr<v1::ReadOutputResponse> Client::ReadOutput(const v1::ReadOutputRequest& request) {
  const absl::Status status = TaskId::Parse(request.task_id()).status();
  if (!status.ok()) return status;
  const Timeout timeout =
      Timeout(impl_->options.call_timeout) + Timeout(std::chrono::milliseconds(request.wait_ms()));
  return client::WatchedCall(impl_->watches, timeout, *impl_->tasks,
                             &v1::TaskService::Stub::ReadOutput, request);
}

absl::StatusOr<v1::Queue> Client::CreateQueue(const v1::QueueConfig& config) {
  absl::Status status = CheckName(config.name());
  if (!status.ok()) return status;
  v1::CreateQueueRequest request;
  *request.mutable_config() = config;
  return Take(Call(impl_->options, *impl_->queues, &v1::QueueService::Stub::CreateQueue, request),
              &v1::CreateQueueResponse::mutable_queue);
}

absl::StatusOr<v1::Queue> Client::GetQueue(std::string_view name) {
  return Take(CallNamed(impl_->options, *impl_->queues, &v1::QueueService::Stub::GetQueue, name),
              &v1::GetQueueResponse::mutable_queue);
}

absl::StatusOr<std::vector<v1::Queue>> Client::ListQueues() {
  return AllPages(impl_->options, *impl_->queues, &v1::QueueService::Stub::ListQueues,
                  &v1::ListQueuesResponse::mutable_queues);
}

absl::StatusOr<v1::Queue> Client::UpdateQueue(const v1::UpdateQueueRequest& request) {
  absl::Status status = CheckName(request.name());
  if (!status.ok()) return status;
  return Take(Call(impl_->options, *impl_->queues, &v1::QueueService::Stub::UpdateQueue, request),
              &v1::UpdateQueueResponse::mutable_queue);
}

absl::Status Client::DeleteQueue(std::string_view name) {
  return CallNamed(impl_->options, *impl_->queues, &v1::QueueService::Stub::DeleteQueue, name)
      .status();
}

absl::StatusOr<v1::Queue> Client::PauseQueue(std::string_view name, std::string_view reason,
                                             std::chrono::milliseconds resume_after) {
  absl::Status status = CheckName(name);
  status.Update(CheckName(reason));
  if (!status.ok()) return status;
  v1::PauseQueueRequest request;
  request.set_name(std::string(name));
  request.set_reason(std::string(reason));
  request.set_resume_after_ms(resume_after.count());
  return Take(Call(impl_->options, *impl_->queues, &v1::QueueService::Stub::PauseQueue, request),
              &v1::PauseQueueResponse::mutable_queue);
}

absl::StatusOr<v1::Queue> Client::ResumeQueue(std::string_view name) {
  return Take(CallNamed(impl_->options, *impl_->queues, &v1::QueueService::Stub::ResumeQueue, name),
              &v1::ResumeQueueResponse::mutable_queue);
}

absl::StatusOr<int64_t> Client::PurgeQueue(std::string_view name) {
  absl::StatusOr<v1::PurgeQueueResponse> response =
      CallNamed(impl_->options, *impl_->queues, &v1::QueueService::Stub::PurgeQueue, name);
  if (!response.ok()) return response.status();
  return response->cancelled_tasks();
}

absl::StatusOr<v1::ListDeadLettersResponse> Client::ListDeadLetters(
    const v1::ListDeadLettersRequest& request) {
  absl::Status status = CheckName(request.queue());
  status.Update(CheckName(request.type()));
  status.Update(CheckName(request.group()));
  status.Update(CheckName(request.filter()));
  if (!status.ok()) return status;
  return Call(impl_->options, *impl_->dead_letters, &v1::DeadLetterService::Stub::ListDeadLetters,
              request);
}

absl::StatusOr<v1::ListDeadLetterGroupsResponse> Client::ListDeadLetterGroups(
    const v1::ListDeadLetterGroupsRequest& request) {
  absl::Status status = CheckName(request.queue());
  if (!status.ok()) return status;
  return Call(impl_->options, *impl_->dead_letters,
              &v1::DeadLetterService::Stub::ListDeadLetterGroups, request);
}

absl::StatusOr<v1::GetDeadLetterResponse> Client::GetDeadLetter(std::string_view task_id) {
  return CallForTask(impl_->options, *impl_->dead_letters,
                     &v1::DeadLetterService::Stub::GetDeadLetter, task_id);
}

absl::StatusOr<v1::RedriveDeadLettersResponse> Client::RedriveDeadLetters(
    const v1::RedriveDeadLettersRequest& request) {
  absl::Status status = CheckName(request.queue());
  for (const std::string& id : request.task_ids()) status.Update(TaskId::Parse(id).status());
  if (!status.ok()) return status;
  return Call(impl_->options, *impl_->dead_letters,
              &v1::DeadLetterService::Stub::RedriveDeadLetters, request);
}

absl::StatusOr<v1::DeleteDeadLettersResponse> Client::DeleteDeadLetters(
    const v1::DeleteDeadLettersRequest& request) {
  absl::Status status;
  for (const std::string& id : request.task_ids()) status.Update(TaskId::Parse(id).status());
  if (!status.ok()) return status;
  return Call(impl_->options, *impl_->dead_letters, &v1::DeadLetterService::Stub::DeleteDeadLetters,
              request);
}

absl::StatusOr<v1::Job> Client::StartJob(const v1::JobSpec& spec) {
  v1::StartJobRequest request;
  *request.mutable_spec() = spec;
  return Take(Call(impl_->options, *impl_->jobs, &v1::JobService::Stub::StartJob, request),
              &v1::StartJobResponse::mutable_job);
}

absl::StatusOr<v1::Job> Client::GetJob(std::string_view job_id) {
  v1::GetJobRequest request;
  request.set_job_id(std::string(job_id));
  return Take(Call(impl_->options, *impl_->jobs, &v1::JobService::Stub::GetJob, request),
              &v1::GetJobResponse::mutable_job);
}

absl::StatusOr<v1::ListJobsResponse> Client::ListJobs(const v1::ListJobsRequest& request) {
  return Call(impl_->options, *impl_->jobs, &v1::JobService::Stub::ListJobs, request);
}

absl::StatusOr<v1::Job> Client::CancelJob(std::string_view job_id) {
  v1::CancelJobRequest request;
  request.set_job_id(std::string(job_id));
  return Take(Call(impl_->options, *impl_->jobs, &v1::JobService::Stub::CancelJob, request),
              &v1::CancelJobResponse::mutable_job);
}

absl::StatusOr<v1::ServerInfo> Client::GetServerInfo() {
  return Take(Call(impl_->options, *impl_->admin, &v1::AdminService::Stub::GetServerInfo,
                   v1::GetServerInfoRequest()),
              &v1::GetServerInfoResponse::mutable_server);
}

absl::StatusOr<std::vector<v1::Worker>> Client::ListWorkers() {
  return AllPages(impl_->options, *impl_->admin, &v1::AdminService::Stub::ListWorkers,
                  &v1::ListWorkersResponse::mutable_workers);
}

absl::StatusOr<v1::DrainWorkersResponse> Client::DrainWorkers(
    const v1::DrainWorkersRequest& request) {
  absl::Status status = CheckName(request.worker());
  status.Update(CheckName(request.reason()));
  for (const auto& [key, value] : request.labels()) {
    status.Update(CheckName(key));
    status.Update(CheckName(value));
  }
  if (!status.ok()) return status;
  return Call(impl_->options, *impl_->admin, &v1::AdminService::Stub::DrainWorkers, request);
}

absl::StatusOr<v1::Drain> Client::GetDrain(std::string_view drain_id) {
  v1::GetDrainRequest request;
  request.set_drain_id(std::string(drain_id));
  return Take(Call(impl_->options, *impl_->admin, &v1::AdminService::Stub::GetDrain, request),
              &v1::GetDrainResponse::mutable_drain);
}

absl::StatusOr<std::vector<v1::Drain>> Client::ListDrains() {
  return AllPages(impl_->options, *impl_->admin, &v1::AdminService::Stub::ListDrains,
                  &v1::ListDrainsResponse::mutable_drains);
}

absl::Status Client::RemoveDrain(std::string_view drain_id) {
  v1::RemoveDrainRequest request;
  request.set_drain_id(std::string(drain_id));
  return Call(impl_->options, *impl_->admin, &v1::AdminService::Stub::RemoveDrain, request)
      .status();
}

absl::StatusOr<int64_t> Client::ReleaseWorker(std::string_view id_or_name,
                                              std::string_view reason) {
  absl::Status status = CheckName(id_or_name);
  status.Update(CheckName(reason));
  if (!status.ok()) return status;
  v1::ReleaseWorkerRequest request;
  request.set_worker(std::string(id_or_name));
  request.set_reason(std::string(reason));
  const absl::StatusOr<v1::ReleaseWorkerResponse> released =
      Call(impl_->options, *impl_->admin, &v1::AdminService::Stub::ReleaseWorker, request);
  if (!released.ok()) return released.status();
  return released->workers();
}

absl::StatusOr<v1::ListActionsResponse> Client::ListActions(const v1::ListActionsRequest& request) {
  absl::Status status = CheckName(request.subject());
  if (!status.ok()) return status;
  return Call(impl_->options, *impl_->admin, &v1::AdminService::Stub::ListActions, request);
}

}  // namespace treadle
