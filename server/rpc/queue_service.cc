#include "server/rpc/queue_service.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "server/rpc/change.h"
#include "server/rpc/convert.h"
#include "server/rpc/page_token.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/validate.h"
#include "treadle/v1/queue_service.pb.h"

namespace treadle::rpc {
namespace {

constexpr absl::string_view kQueuesQuestion = "queues";

template <typename Response>
void AskForQueue(UnaryCall& call, std::string name) {
  call.Ask<Response>(
      [name = std::move(name)](const broker::View& view) -> absl::StatusOr<Response> {
        const auto queue = view.engine.FindQueue(name, view.now_ms);
        if (!queue.has_value()) {
          return absl::NotFoundError(
              absl::StrCat("name: there is no queue '", name,
                           "'; create it, or see ListQueues for those that there are"));
        }
        Response response;
        Write(*queue, response.mutable_queue());
        return response;
      });
}

// Of a command that is answered by QueueChanged.
template <typename Command, typename Then>
absl::Status ChangeQueue(UnaryCall& call, Command command, Then then) {
  return Change<engine::QueueChanged>(call, broker::Lane::kClients, std::move(command), then);
}

// The same, answered with the queue as it then is.
template <typename Response, typename Command>
absl::Status ChangeAndShow(UnaryCall& call, Command command) {
  return ChangeQueue(call, std::move(command),
                     [](UnaryCall& self, const engine::QueueChanged& changed) {
                       AskForQueue<Response>(self, changed.name);
                     });
}

absl::Status CreateQueue(Edge& edge, UnaryCall& call, v1::CreateQueueRequest& request) {
  if (!request.has_config()) {
    return absl::InvalidArgumentError("config: absent; say the queue's name at least");
  }
  if (absl::Status s = ValidateQueue(request.config()); !s.ok()) return s;
  engine::CreateQueue create;
  create.origin = call.origin();
  create.config = ReadQueue(*request.mutable_config(), edge.options.engine);
  return ChangeAndShow<v1::CreateQueueResponse>(call, std::move(create));
}

absl::Status GetQueue(Edge&, UnaryCall& call, v1::GetQueueRequest& request) {
  if (absl::Status s = ValidateName("name", request.name()); !s.ok()) return s;
  AskForQueue<v1::GetQueueResponse>(call, request.name());
  return absl::OkStatus();
}

absl::Status ListQueues(Edge&, UnaryCall& call, v1::ListQueuesRequest& request) {
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  absl::StatusOr<std::string> after = DecodePageToken(kQueuesQuestion, request.page_token());
  if (!after.ok()) return after.status();
  const size_t limit = request.page_size() == 0 ? limits::kPageSizeMax : request.page_size();
  call.Ask<v1::ListQueuesResponse>(
      [after = *std::move(after),
       limit](const broker::View& view) -> absl::StatusOr<v1::ListQueuesResponse> {
        v1::ListQueuesResponse response;
        for (const engine::QueueView& queue : view.engine.ListQueues(after, limit, view.now_ms)) {
          Write(queue, response.add_queues());
        }
        if (const int count = response.queues_size(); static_cast<size_t>(count) == limit) {
          response.set_next_page_token(
              EncodePageToken(kQueuesQuestion, response.queues(count - 1).config().name()));
        }
        return response;
      });
  return absl::OkStatus();
}

absl::Status UpdateQueue(Edge& edge, UnaryCall& call, v1::UpdateQueueRequest& request) {
  if (absl::Status s = ValidateUpdate(request); !s.ok()) return s;
  engine::UpdateQueue update;
  update.name = request.name();
  const engine::EngineOptions& options = edge.options.engine;
  if (request.has_max_tasks()) {
    update.max_tasks = request.max_tasks() == 0 ? options.queue_max_tasks : request.max_tasks();
  }
  if (request.has_max_bytes()) {
    update.max_bytes = request.max_bytes() == 0 ? options.queue_max_bytes : request.max_bytes();
  }
  if (request.has_closed()) update.closed = request.closed();
  const v1::DeadLetterPolicy& letters = request.dead_letters();
  if (letters.has_max_tasks()) update.dead_letters_max_tasks = letters.max_tasks();
  if (letters.has_max_bytes()) update.dead_letters_max_bytes = letters.max_bytes();
  if (letters.has_ttl_ms()) update.dead_letters_ttl_ms = letters.ttl_ms();
  if (request.has_circuit_breaker()) update.breaker = ReadBreaker(request.circuit_breaker());
  if (request.has_fail_unserved_after_ms()) {
    update.fail_unserved_after_ms = request.fail_unserved_after_ms();
  }
  update.if_version = request.if_version();
  return ChangeAndShow<v1::UpdateQueueResponse>(call, std::move(update));
}

absl::Status DeleteQueue(Edge&, UnaryCall& call, v1::DeleteQueueRequest& request) {
  if (absl::Status s = ValidateName("name", request.name()); !s.ok()) return s;
  return ChangeQueue(
      call, engine::DeleteQueue{.name = request.name()},
      [](UnaryCall& self, const engine::QueueChanged&) { self.Reply(v1::DeleteQueueResponse()); });
}

absl::Status PauseQueue(Edge&, UnaryCall& call, v1::PauseQueueRequest& request) {
  if (absl::Status s = ValidateName("name", request.name()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName("reason", request.reason()); !s.ok()) return s;
  if (absl::Status s =
          ValidateRange("resume_after_ms", request.resume_after_ms(), 0, limits::kAheadMsMax, "ms");
      !s.ok()) {
    return s;
  }
  return ChangeAndShow<v1::PauseQueueResponse>(
      call, engine::PauseQueue{.name = request.name(),
                               .paused = true,
                               .reason = request.reason(),
                               .for_ms = request.resume_after_ms()});
}

absl::Status ResumeQueue(Edge&, UnaryCall& call, v1::ResumeQueueRequest& request) {
  if (absl::Status s = ValidateName("name", request.name()); !s.ok()) return s;
  return ChangeAndShow<v1::ResumeQueueResponse>(
      call, engine::PauseQueue{.name = request.name(), .paused = false});
}

absl::Status PurgeQueue(Edge&, UnaryCall& call, v1::PurgeQueueRequest& request) {
  if (absl::Status s = ValidateName("name", request.name()); !s.ok()) return s;
  return ChangeQueue(call, engine::PurgeQueue{.name = request.name()},
                     [](UnaryCall& self, const engine::QueueChanged& changed) {
                       v1::PurgeQueueResponse response;
                       response.set_cancelled_tasks(changed.cancelled_tasks);
                       self.Reply(response);
                     });
}

}  // namespace

void ServeQueues(Methods& methods) {
  Service queues(methods, "treadle.v1.QueueService");
  queues.Unary("CreateQueue", CreateQueue);
  queues.Unary("GetQueue", GetQueue);
  queues.Unary("ListQueues", ListQueues);
  queues.Unary("UpdateQueue", UpdateQueue);
  queues.Unary("DeleteQueue", DeleteQueue);
  queues.Unary("PauseQueue", PauseQueue);
  queues.Unary("ResumeQueue", ResumeQueue);
  queues.Unary("PurgeQueue", PurgeQueue);
}

}  // namespace treadle::rpc
