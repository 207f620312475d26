#include "server/rpc/session_stream.h"

#include <utility>
#include <variant>

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "proto/wire/settings.h"
#include "proto/wire/status.h"
#include "server/broker/body.h"
#include "server/rpc/requests.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {
namespace {

constexpr int64_t kSessionItemBytes = 64;  // what an item has beside its long fields, about

}  // namespace

SessionStream::SessionStream(Edge& edge, grpc::CallbackServerContext* context)
    : BidiCall(edge, context, broker::Lane::kClients), bounds_(edge.bounds()) {}

absl::Status SessionStream::OnMessage(const grpc::ByteBuffer& message) {
  if (message.Length() == 0 && begun_) return absl::OkStatus();
  request_.Clear(static_cast<int64_t>(message.Length()));
  if (absl::Status s = Parse(message, edge_.message_bytes_max(), *request_); !s.ok()) return s;
  if (absl::Status s = ValidateSession(*request_, bounds_); !s.ok()) return s;
  if (!begun_) return Open(request_->open());
  if (request_->has_open()) {
    return absl::InvalidArgumentError(
        "open: this stream is open already; send it in the first message only");
  }
  Handle(*request_);
  request_.Release();
  return absl::OkStatus();
}

absl::Status SessionStream::Open(const v1::SessionOpen& open) {
  if (!request_->has_open()) {
    return absl::InvalidArgumentError("open: absent; it must be in the stream's first message");
  }
  if (absl::Status s = ValidateOpen(open); !s.ok()) return s;
  begun_ = true;
  HoldReading();
  std::vector<broker::Request> requests;
  requests.push_back(ToRequest(engine::OpenSession{
      .call = id(),
      .session = open.session_id(),
      .secret = open.session_id() == 0 ? NewSecret() : ReadSecret(open.resume_secret()),
      .acknowledged_below = request_->acknowledged_below(),
      .origin = origin()}));
  requests.push_back({broker::DeliverOutcomes{id(), !open.outcomes_on_request_only()}, nullptr});
  Post(std::move(requests));
  return absl::OkStatus();
}

void SessionStream::Handle(v1::SessionRequest& request) {
  std::vector<broker::Request> requests;
  requests.reserve(request.tasks_size() + request.await_task_ids_size() +
                   request.cancel_task_ids_size() + 1);
  if (request.acknowledged_below() != 0) {
    requests.push_back(ToRequest(engine::AcknowledgeSession{id(), request.acknowledged_below()}));
  }
  HandleTasks(request, requests);
  HandleIds(request, requests);
  Post(std::move(requests));
}

// What is malformed goes the same way: the broker may have accepted it before, when its bounds were
// others, and says so then.
void SessionStream::HandleTasks(v1::SessionRequest& request,
                                std::vector<broker::Request>& requests) {
  if (request.tasks().empty()) return;
  const int64_t wall_ms = edge_.clock.WallMs();
  for (v1::SequencedTask& sequenced : *request.mutable_tasks()) {
    absl::Status status = ValidateTask(sequenced.task(), bounds_, wall_ms);
    broker::BodyPtr body;
    engine::Submit submit;
    if (status.ok()) submit = reader_.Read(*sequenced.mutable_task(), body);
    submit.refusal = std::move(status);
    submit.call = id();
    submit.origin = origin();
    submit.item = sequenced.sequence();
    submit.id = TaskId{session_, sequenced.sequence()};
    submit.sequenced = true;
    requests.push_back(ToRequest(std::move(submit), std::move(body)));
  }
}

void SessionStream::HandleIds(v1::SessionRequest& request, std::vector<broker::Request>& requests) {
  std::vector<NoId> no_ids;
  const auto read = [&](const char* field, const std::string& text) {
    absl::StatusOr<TaskId> task = ValidateTaskId(field, text);
    if (!task.ok()) no_ids.push_back({CutMiddle(text, kShownIdBytes), task.status()});
    return task;
  };
  for (const std::string& text : request.await_task_ids()) {
    if (const auto task = read("await_task_ids", text); task.ok()) {
      requests.push_back({broker::AwaitTask{id(), *task}, nullptr});
    }
  }
  for (const std::string& text : request.cancel_task_ids()) {
    if (const auto task = read("cancel_task_ids", text); task.ok()) {
      requests.push_back(ToRequest(engine::Cancel{.call = id(), .task = *task}));
    }
  }
  if (!no_ids.empty()) Refuse(std::move(no_ids));
}

// By way of the outbox, because what is sent is its thread's; its deliveries speak of ids that can
// be read. No more is read until it has them: it has no other bound for them.
void SessionStream::Refuse(std::vector<NoId> no_ids) {
  HoldReading();
  std::vector<broker::Delivery> deliveries;
  deliveries.emplace_back(
      broker::Answer([self = shared_from_this(), this, no_ids = std::move(no_ids)] {
        for (const NoId& no_id : no_ids) Unknown(no_id.text, no_id.status);
        Flush();
        ResumeReading();
      }));
  edge_.outbox.Release(std::move(deliveries));
}

void SessionStream::Hear(broker::Delivery& delivery) {
  // Its end may be long in coming, when the client does not read: until then it would be given all
  // that it has asked for.
  if (failed()) return LetGo();
  if (const auto* submitted = std::get_if<engine::Submitted>(&delivery)) {
    Submitted(*submitted);
  } else if (const auto* outcome = std::get_if<broker::OutcomeReady>(&delivery)) {
    const int64_t result_bytes = outcome->result == nullptr ? 0 : broker::BytesOf(*outcome->result);
    const engine::TaskError& error = outcome->row->error;
    const auto error_bytes =
        static_cast<int64_t>(error.message.size() + error.type.size() + error.worker.size());
    Write(*outcome, Add(kSessionItemBytes + result_bytes + error_bytes).add_outcomes());
  } else if (const auto* opened = std::get_if<engine::SessionOpened>(&delivery)) {
    Opened(*opened);
  } else if (const auto* done = std::get_if<engine::CancelDone>(&delivery)) {
    if (!done->status.ok()) Unknown(done->task.ToString(), done->status);
  } else if (const auto* unknown = std::get_if<broker::TaskUnknown>(&delivery)) {
    Unknown(unknown->task.ToString(), UnknownTaskError(unknown->task));
  } else if (const auto* end = std::get_if<engine::EndCall>(&delivery)) {
    Flush();
    End(end->status);
  }
}

void SessionStream::Opened(const engine::SessionOpened& opened) {
  if (!opened.status.ok()) {
    End(opened.status);
    return;
  }
  v1::SessionOpened& out = *Add(kSessionItemBytes).mutable_opened();
  out.set_session_id(opened.session);
  out.set_resumed(opened.resumed);
  out.set_heartbeat_ms(wire::kHeartbeatMs);
  out.set_resume_window_ms(edge_.options.engine.resume_window_ms);
  out.set_batch_tasks_max(edge_.options.batch_tasks_max);
  out.set_payload_bytes_max(edge_.options.payload_bytes_max);
  out.set_message_bytes_max(edge_.message_bytes_max());
  out.set_resume_secret(WriteSecret(opened.secret));
  Flush();
  Greeted();
  session_ = opened.session;
  Handle(*request_);
  request_.Release();
  ResumeReading();
}

void SessionStream::Submitted(const engine::Submitted& submitted) {
  const uint64_t sequence = submitted.item;
  const v1::Durability level = AckLevel(submitted.durability, edge_.reach == store::Reach::kDisk);
  if (submitted.status.ok() && !submitted.existing) {
    Accepted(sequence, level);
    return;
  }
  const auto text_bytes = static_cast<int64_t>(submitted.status.message().size());
  v1::SequencedResult& result = *Add(2 * kSessionItemBytes + text_bytes).add_results();
  result.set_sequence(sequence);
  wire::ToItem(submitted.status, result.mutable_result()->mutable_status());
  if (submitted.status.ok()) {
    result.mutable_result()->set_task_id(submitted.id.ToString());
    result.mutable_result()->set_durability(level);
    result.mutable_result()->set_existing(true);
  }
}

void SessionStream::Accepted(uint64_t sequence, v1::Durability level) {
  if (const int ranges = response_.message().accepted_size(); ranges > 0) {
    v1::AcceptedRange& last = *response_.message().mutable_accepted(ranges - 1);
    if (last.last_sequence() + 1 == sequence && last.durability() == level) {
      last.set_last_sequence(sequence);
      return;
    }
  }
  v1::AcceptedRange& range = *Add(kSessionItemBytes).add_accepted();
  range.set_first_sequence(sequence);
  range.set_last_sequence(sequence);
  range.set_durability(level);
}

void SessionStream::Unknown(const std::string& task, const absl::Status& status) {
  const auto text_bytes = static_cast<int64_t>(status.message().size());
  v1::UnknownTask& unknown = *Add(2 * kSessionItemBytes + text_bytes).add_unknown_tasks();
  unknown.set_task_id(task);
  wire::ToItem(status, unknown.mutable_status());
}

v1::SessionResponse& SessionStream::Add(int64_t bytes) {
  if (response_.full() || response_.too_full_for(bytes)) Flush();
  return response_.Add(bytes);
}

void SessionStream::Flush() {
  response_.Flush([this](grpc::ByteBuffer message) { Send(std::move(message)); });
}

void SessionStream::LetGo() {
  std::vector<broker::Request> last;
  last.push_back(ToRequest(engine::CallClosed{id()}));
  PostLast(std::move(last));
}

grpc::ByteBuffer SessionStream::DiskHungMessage(int64_t hung_ms) const {
  v1::SessionResponse response;
  response.set_disk_hung_ms(hung_ms);
  return Serialize(response);
}

void SessionStream::OnOver() {
  // A client that closed its side is finished with its session; one that was lost may come back.
  std::vector<broker::Request> last;
  if (client_finished()) last.push_back(ToRequest(engine::CloseSession{id()}));
  last.push_back(ToRequest(engine::CallClosed{id()}));
  PostLast(std::move(last));
}

}  // namespace treadle::rpc
