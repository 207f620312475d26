#include "server/rpc/watch_stream.h"

#include <utility>
#include <variant>

#include "server/rpc/requests.h"

namespace treadle::rpc {

WatchStream::WatchStream(Edge& edge, grpc::CallbackServerContext* context)
    : AskedStream(edge, context) {}

absl::Status WatchStream::OnQuestion(const grpc::ByteBuffer& message) {
  v1::WatchTaskRequest request;
  if (absl::Status s = Parse(message, edge_.message_bytes_max(), request); !s.ok()) return s;
  const auto task = ValidateTaskId("task_id", request.task_id());
  if (!task.ok()) return task.status();
  absl::Status asked = edge_.broker.Post(broker::Lane::kQuestions,
                                         broker::Request{broker::WatchTask{id(), *task}, nullptr});
  asked_ = asked.ok();
  return asked;
}

void WatchStream::Deliver(broker::Delivery& delivery) {
  v1::WatchTaskResponse response;
  if (const auto* seen = std::get_if<broker::TaskSeen>(&delivery)) {
    Write(*seen->view, &seen->progress, response.mutable_task());
    Send(Serialize(response));
  } else if (const auto* outcome = std::get_if<broker::OutcomeReady>(&delivery)) {
    Write(*outcome->row, response.mutable_task());
    Write(*outcome, response.mutable_outcome());
    Send(Serialize(response));
    End(absl::OkStatus());
  } else if (const auto* unknown = std::get_if<broker::TaskUnknown>(&delivery)) {
    End(UnknownTaskError(unknown->task));
  } else if (const auto* end = std::get_if<engine::EndCall>(&delivery)) {
    End(end->status);
  }
}

void WatchStream::OnOver() {
  if (!asked_) return;
  (void)edge_.broker.Post(broker::Lane::kQuestions, ToRequest(engine::CallClosed{id()}));
}

}  // namespace treadle::rpc
