#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/future.h"
#include "treadle/headers.h"
#include "treadle/milliseconds.h"
#include "treadle/output.h"
#include "treadle/submit_options.h"
#include "treadle/timeout.h"

namespace grpc {
class Channel;
}

namespace treadle {

// The API's messages. Who looks into one includes its header: treadle/v1/task.pb.h,
// task_service.pb.h, explain.pb.h, output.pb.h, queue_service.pb.h, dead_letter_service.pb.h,
// job_service.pb.h, admin_service.pb.h.
namespace v1 {
class DeleteDeadLettersRequest;
class DeleteDeadLettersResponse;
class Drain;
class DrainWorkersRequest;
class DrainWorkersResponse;
class ExplainSubmitResponse;
class ExplainTaskResponse;
class GetDeadLetterResponse;
class GetPayloadResponse;
class Job;
class JobSpec;
class ListActionsRequest;
class ListActionsResponse;
class ListDeadLetterGroupsRequest;
class ListDeadLetterGroupsResponse;
class ListDeadLettersRequest;
class ListDeadLettersResponse;
class ListJobsRequest;
class ListJobsResponse;
class ListTasksRequest;
class ListTasksResponse;
class Outcome;
class Queue;
class QueueConfig;
class ReadOutputRequest;
class ReadOutputResponse;
class RedriveDeadLettersRequest;
class RedriveDeadLettersResponse;
class ServerInfo;
class Task;
class UpdateQueueRequest;
class Worker;
}  // namespace v1

namespace client {
class HeldLeases;
class Session;
}  // namespace client

namespace internal {
class ItemQueue;
class Submission;
}  // namespace internal

// A submit, as ClientOptions::on_submit sees it.
struct SubmitEvent {
  SubmitEvent(std::string_view queue_in, std::string_view type_in, const SubmitOptions& options_in)
      : queue(queue_in), type(type_in), options(options_in) {}

  std::string_view queue;
  std::string_view type;
  const SubmitOptions& options;
  // To send with the options' own headers, and in the place of those of the same name. At first,
  // unless the options have a traceparent, what ClientOptions::trace_context says, or the trace
  // context (traceparent, tracestate) of the attempt whose handler submits this task.
  Headers headers;
};

struct ClientOptions {
  ClientOptions() {}
  explicit ClientOptions(std::string address_in) : address(std::move(address_in)) {}

  // The broker, "HOST:PORT", with brackets around an IPv6 address. Empty: that of the environment's
  // TREADLE_BROKER, or, without one, 127.0.0.1:7733.
  std::string address;
  // Reach it through the proxy that http_proxy, https_proxy or grpc_proxy names in the environment.
  bool http_proxy = false;
  // For people: shown by the operator's tools. At most 255 bytes. Empty: host and process id.
  std::string name;
  // Who uses this client, "ann@build-7" say, for the broker's log of what operators did: stated,
  // not proven. At most 255 printable ASCII characters. Empty: it is not stated.
  std::string actor;

  // Told, a line each, what holds everything up though the connection is there, and when that is
  // over: the broker's disk does not answer. On the callbacks' thread. Empty: nobody is told;
  // timeouts say it in any case, and GetServerInfo.
  std::function<void(std::string_view line)> log;

  // Called for each submit of an Executor, on the thread that submits, before the task is encoded:
  // for tracing. Must not throw, nor submit.
  std::function<void(SubmitEvent&)> on_submit;
  // The W3C traceparent of the span that is current on the thread that submits: it goes with the
  // task, unless the task's options have one. Empty: there is none. Called for each submit of an
  // Executor, and once for all tasks of a SubmitAll, PostAll or Map. Must not throw, nor submit.
  std::function<std::string()> trace_context;

  // These times are at most 366 days.
  //
  // How long Connect waits for the broker.
  Milliseconds connect_timeout{10'000};
  // How long a pending future waits without a connection, counted from its submit or from the loss
  // of the connection, whichever was later, before the client gives it up: with UNAVAILABLE if it
  // was never sent, with ABORTED if it was (Future::Result). The client goes on trying to
  // reconnect. Zero: never.
  Milliseconds give_up_after{0};
  // The deadline of each unary call, GetTask and the like.
  Milliseconds call_timeout{10'000};
  // How long Shutdown waits for the acknowledgement of submits under way, and until cancels are
  // sent.
  Milliseconds shutdown_timeout{5'000};

  // Submits that the broker has not answered yet, in tasks and in encoded bytes. At the bound
  // Submit waits up to `window_wait` for room, then the future ends with RESOURCE_EXHAUSTED.
  // Zero `window_wait`: refuse at once.
  int64_t window_tasks = 100'000;
  int64_t window_bytes = int64_t{64} << 20;
  Timeout window_wait = kForever;
};

// What a client has done, and has under way. Counted as it happens, so that asking costs nothing.
struct ClientStats {
  ClientStats() = default;
  bool operator==(const ClientStats&) const = default;

  // Since Connect.
  int64_t submitted = 0;
  int64_t accepted = 0;  // by the broker
  int64_t refused = 0;   // by the broker
  // Ends that the broker told; a task that was let go has none here.
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t expired = 0;
  int64_t sent_bytes = 0;    // in messages of the session, as they were encoded
  int64_t result_bytes = 0;  // of results that came
  int64_t reconnects = 0;
  // Now.
  bool connected = false;    // the session's stream is there
  int64_t pending = 0;       // tasks that this client follows, attached ones included
  int64_t window_tasks = 0;  // of these, submits not answered yet, ...
  int64_t window_bytes = 0;  // ... and their encoded bytes
};

class Client;

// Owns a client, and is one where a Client& is wanted:
//
//   absl::StatusOr<ClientPtr> client = Client::Connect();
//   Executor executor(*client, "cpu");
class ClientPtr : public std::unique_ptr<Client> {
 public:
  using std::unique_ptr<Client>::unique_ptr;
  ClientPtr(std::unique_ptr<Client> client) : std::unique_ptr<Client>(std::move(client)) {}

  // REQUIRES: not null.
  operator Client&() const { return **this; }
};

// A connection to a broker: what executors submit through, and the broker's other services as plain
// calls. One stream carries the submits, cancels and outcomes of all its futures, in batches; a
// lost connection is taken up again without losing or doubling a submit. The stream, and with it a
// session that the broker remembers, begins with the first submit or Attach.
//
// Thread-safe. It owns a thread for the session, one for callbacks (Future::AddDoneCallback), and
// two more when it has held leases. Do not fork without exec then: gRPC does not support it.
class Client {
 public:
  // Waits until the broker has answered. UNAVAILABLE: nobody did within connect_timeout; the
  // message has the last reason. RESOURCE_EXHAUSTED: the system has no thread left. Other errors
  // are the broker's.
  static absl::StatusOr<ClientPtr> Connect(ClientOptions options = ClientOptions());

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // Shuts down.
  ~Client();

  // Waits up to shutdown_timeout until every submit is acknowledged, then sends what was cancelled
  // and ends the session. Futures that are not done end with ABORTED if their task was sent: it
  // goes on in the broker, unless it was cancelled, and Attach finds it from another client; and
  // with UNAVAILABLE if it was not, as submits do after this. Callbacks of all futures have
  // returned when this returns: so never call it from one.
  void Shutdown();

  // Waits for a moment at which every submit is answered and every cancel is sent.
  // DEADLINE_EXCEEDED: the timeout passed first.
  absl::Status Flush(Timeout timeout = kForever);

  // A future for a task that was submitted before, by any client: its result's type is the caller's
  // to know (Payload takes any). NOT_FOUND: no such task, or its outcome is not kept any more.
  template <typename T>
  Future<T> Attach(std::string_view task_id) {
    return Future<T>(AttachState(task_id));
  }

  // The calls below wait for the broker's answer, up to call_timeout each. Their errors are the
  // broker's own, and UNAVAILABLE or DEADLINE_EXCEEDED when it cannot be reached.

  absl::StatusOr<v1::Task> GetTask(std::string_view task_id);
  // What a task that has not ended was submitted with. FAILED_PRECONDITION: it has ended.
  absl::StatusOr<v1::GetPayloadResponse> GetPayload(std::string_view task_id);
  // Why a task does not run, or what it does; and what would become of one that was submitted now,
  // with an error where the submit would be refused. Nothing is submitted.
  absl::StatusOr<v1::ExplainTaskResponse> ExplainTask(std::string_view task_id);
  absl::StatusOr<v1::ExplainSubmitResponse> ExplainSubmit(std::string_view queue,
                                                          std::string_view type,
                                                          const Payload& payload,
                                                          const SubmitOptions& submit = {});
  // The task after the request, as TaskService.CancelTask says. The reason is for people, and
  // stands in the outcome's error: at most 255 bytes of UTF-8 without control characters.
  absl::StatusOr<v1::Task> CancelTask(std::string_view task_id, std::string_view reason = {});
  // One page; `filter` says in words of which tasks: "queue:mail state:failed age>5m sort:-age".
  absl::StatusOr<v1::ListTasksResponse> ListTasks(const v1::ListTasksRequest& request);
  // Calls `on_change` on this thread with the task as it is, then at every change of its state or
  // progress, and returns its outcome. Takes up the watch again after a lost connection. What
  // `on_change` throws ends the watch and comes out of it.
  // CANCELLED: `on_change` returned false, or the client was shut down. DEADLINE_EXCEEDED: the
  // timeout passed. UNAVAILABLE: give_up_after passed without the broker.
  absl::StatusOr<v1::Outcome> WatchTask(std::string_view task_id,
                                        absl::FunctionRef<bool(const v1::Task&)> on_change,
                                        Timeout timeout = kForever);
  // What a task has said, as TaskService.ReadOutput says. Waits for the request's wait_ms longer
  // than the others do; Shutdown ends it, with CANCELLED.
  absl::StatusOr<v1::ReadOutputResponse> ReadOutput(const v1::ReadOutputRequest& request);
  // All that a task says, entry by entry to its end (output.h). INVALID_ARGUMENT, as its status():
  // the id is none.
  TaskOutput Follow(std::string_view task_id, const FollowOptions& options = FollowOptions());

  absl::StatusOr<v1::Queue> CreateQueue(const v1::QueueConfig& config);
  absl::StatusOr<v1::Queue> GetQueue(std::string_view name);
  absl::StatusOr<std::vector<v1::Queue>> ListQueues();
  absl::StatusOr<v1::Queue> UpdateQueue(const v1::UpdateQueueRequest& request);
  absl::Status DeleteQueue(std::string_view name);
  // The reason is for people; `resume_after`: it resumes by itself after so long, or, with 0, when
  // somebody resumes it.
  absl::StatusOr<v1::Queue> PauseQueue(std::string_view name, std::string_view reason = {},
                                       std::chrono::milliseconds resume_after = {});
  absl::StatusOr<v1::Queue> ResumeQueue(std::string_view name);
  // How many tasks were cancelled.
  absl::StatusOr<int64_t> PurgeQueue(std::string_view name);

  // Tasks that failed and are kept, as DeadLetterService says. The first two: one page.
  absl::StatusOr<v1::ListDeadLettersResponse> ListDeadLetters(
      const v1::ListDeadLettersRequest& request);
  absl::StatusOr<v1::ListDeadLetterGroupsResponse> ListDeadLetterGroups(
      const v1::ListDeadLetterGroupsRequest& request);
  absl::StatusOr<v1::GetDeadLetterResponse> GetDeadLetter(std::string_view task_id);
  // Up to 1,000 at once; each has its own status in the response.
  absl::StatusOr<v1::RedriveDeadLettersResponse> RedriveDeadLetters(
      const v1::RedriveDeadLettersRequest& request);
  absl::StatusOr<v1::DeleteDeadLettersResponse> DeleteDeadLetters(
      const v1::DeleteDeadLettersRequest& request);

  // What the broker does to many tasks by itself, as JobService says. ListJobs: one page.
  absl::StatusOr<v1::Job> StartJob(const v1::JobSpec& spec);
  absl::StatusOr<v1::Job> GetJob(std::string_view job_id);
  absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request);
  absl::StatusOr<v1::Job> CancelJob(std::string_view job_id);

  absl::StatusOr<v1::ServerInfo> GetServerInfo();
  absl::StatusOr<std::vector<v1::Worker>> ListWorkers();
  // Drains of workers, as AdminService says: those that match end as after SIGTERM, take no more
  // tasks and finish what runs, until the drain is removed. Returns at once.
  absl::StatusOr<v1::DrainWorkersResponse> DrainWorkers(const v1::DrainWorkersRequest& request);
  absl::StatusOr<v1::Drain> GetDrain(std::string_view drain_id);
  absl::StatusOr<std::vector<v1::Drain>> ListDrains();
  absl::Status RemoveDrain(std::string_view drain_id);
  // The workers in quarantine with this id or name get tasks again. Returns how many.
  absl::StatusOr<int64_t> ReleaseWorker(std::string_view id_or_name, std::string_view reason = {});
  // What operators did, the newest first. One page.
  absl::StatusOr<v1::ListActionsResponse> ListActions(const v1::ListActionsRequest& request);

  ClientStats Stats() const;

  // The address is that of the broker, whoever named it.
  const ClientOptions& options() const;
  // For calls that this class has no method for, and for other services of the same broker.
  const std::shared_ptr<grpc::Channel>& channel() const;

 private:
  friend class Executor;
  friend class internal::ItemQueue;
  friend class Permit;
  friend class internal::Submission;
  friend class Semaphore;
  friend class Event;
  struct Impl;

  explicit Client(std::unique_ptr<Impl> impl);
  client::FutureStateRef AttachState(std::string_view task_id);
  client::Session& session();
  client::HeldLeases& leases();

  std::unique_ptr<Impl> impl_;
};

}  // namespace treadle
