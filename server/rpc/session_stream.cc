#include "server/rpc/session_stream.h"

#include <string_view>
#include <utility>
#include <variant>

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "proto/wire/column.h"
#include "proto/wire/settings.h"
#include "proto/wire/status.h"
#include "server/broker/body.h"
#include "server/rpc/requests.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {
namespace {

constexpr int64_t kSessionItemBytes = 64;  // what an item has beside its long fields, about
constexpr int64_t kResultBytes = 4;        // what a result in a run has beside its own, about

}  // namespace

SessionStream::SessionStream(Edge& edge, grpc::CallbackServerContext* context)
    : BidiCall(edge, context, broker::Lane::kClients, wire::kHeartbeatMs),
      bounds_(edge.bounds()),
      reader_(edge.bounds()) {}

absl::Status SessionStream::OnMessage(const grpc::ByteBuffer& message) {
  if (message.Length() == 0 && begun_) {
    AnswerAtOnce();
    return absl::OkStatus();
  }
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

void SessionStream::AnswerAtOnce() {
  at_once_below_ = newest_ + 1;
  if (!waits_for_beat()) return;
  edge_.outbox.Post([self = shared_from_this(), this] { FlushAll(); });
}

void SessionStream::Handle(v1::SessionRequest& request) {
  std::vector<broker::Request> requests;
  int tasks = 0;
  for (const v1::TaskRun& run : request.runs()) {
    tasks += run.payload_sizes_size();
    newest_ = std::max(newest_, run.first_sequence() + run.payload_sizes_size() - 1);
  }
  if (!request.answer_may_wait()) AnswerAtOnce();
  requests.reserve(tasks + request.await_task_ids_size() + request.cancel_task_ids_size() + 1);
  if (request.acknowledged_below() != 0) {
    requests.push_back(ToRequest(engine::AcknowledgeSession{id(), request.acknowledged_below()}));
  }
  HandleRuns(request, requests);
  HandleIds(request, requests);
  Post(std::move(requests));
}

// What is malformed goes the same way: the broker may have accepted it before, when its bounds were
// others, and says so then.
void SessionStream::HandleRuns(v1::SessionRequest& request,
                               std::vector<broker::Request>& requests) {
  if (request.runs().empty()) return;
  const int64_t wall_ms = edge_.clock.WallMs();
  for (v1::TaskRun& run : *request.mutable_runs()) {
    reader_.Begin(*run.mutable_common(), wall_ms);
    broker::BodyPtr body;
    std::vector<uint32_t> sizes(run.payload_sizes().begin(), run.payload_sizes().end());
    if (run.request_keys().empty() && reader_.MayRun(sizes)) {
      engine::Submit submit =
          reader_.NextRun(std::move(*run.mutable_payloads()), std::move(sizes), body);
      AddSubmit(std::move(submit), run.first_sequence(), std::move(body), requests);
      continue;
    }
    const auto read = [&](size_t index, absl::string_view payload) {
      std::string key;
      if (!run.request_keys().empty()) {
        key = std::move(*run.mutable_request_keys(static_cast<int>(index)));
      }
      engine::Submit submit = reader_.Next(std::string(payload), std::move(key), body);
      AddSubmit(std::move(submit), run.first_sequence() + index, std::move(body), requests);
    };
    wire::ForEachItem(run.payload_sizes(), run.payloads(), read);
  }
}

void SessionStream::AddSubmit(engine::Submit submit, uint64_t sequence, broker::BodyPtr body,
                              std::vector<broker::Request>& requests) {
  submit.call = id();
  submit.origin = origin();
  submit.item = sequence;
  submit.id = TaskId{session_, sequence};
  submit.sequenced = true;
  requests.push_back(ToRequest(std::move(submit), std::move(body)));
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
  edge_.outbox.Post([self = shared_from_this(), this, no_ids = std::move(no_ids)] {
    for (const NoId& no_id : no_ids) Unknown(no_id.text, no_id.status);
    Flush();
    ResumeReading();
  });
}

void SessionStream::Hear(broker::Delivery& delivery) {
  // Its end may be long in coming, when the client does not read: until then it would be given all
  // that it has asked for.
  if (failed()) return LetGo();
  if (const auto* submitted = std::get_if<engine::Submitted>(&delivery)) {
    Submitted(*submitted);
  } else if (const auto* outcome = std::get_if<broker::OutcomeReady>(&delivery)) {
    Ended(*outcome);
  } else if (const auto* opened = std::get_if<engine::SessionOpened>(&delivery)) {
    Opened(*opened);
  } else if (const auto* done = std::get_if<engine::CancelDone>(&delivery)) {
    if (!done->status.ok()) Unknown(done->task.ToString(), done->status);
  } else if (const auto* unknown = std::get_if<broker::TaskUnknown>(&delivery)) {
    Unknown(unknown->task.ToString(), UnknownTaskError(unknown->task));
  } else if (const auto* end = std::get_if<engine::EndCall>(&delivery)) {
    FlushAll();
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
  out.set_heartbeat_ms(heartbeat_ms());
  out.set_idle_heartbeat_ms(edge_.options.idle_heartbeat_ms);
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
  if (submitted.status.ok() && !submitted.existing) return Accepted(submitted, level);
  if (!submitted.status.ok()) return Refused(sequence, submitted.status);
  v1::ExistingTask& existing = *Add(kSessionItemBytes).add_existing();
  existing.set_sequence(sequence);
  existing.set_task_id(submitted.id.ToString());
  existing.set_durability(level);
}

void SessionStream::Accepted(const engine::Submitted& submitted, v1::Durability level) {
  const uint64_t first = submitted.item;
  const bool nothing_urgent = response_.empty() || may_wait_;
  waits_from_ = response_.empty() ? first : std::min(waits_from_, first);
  AddAccepted(submitted, level);
  may_wait_ = nothing_urgent && first >= at_once_below_;
}

void SessionStream::AddAccepted(const engine::Submitted& submitted, v1::Durability level) {
  const uint64_t first = submitted.item;
  const uint64_t last_of_them = first + submitted.tasks - 1;
  if (const int ranges = response_.message().accepted_size(); ranges > 0) {
    v1::AcceptedRange& last = *response_.message().mutable_accepted(ranges - 1);
    if (last.last_sequence() + 1 == first && last.durability() == level &&
        last.no_worker() == submitted.no_worker) {
      last.set_last_sequence(last_of_them);
      return;
    }
  }
  v1::AcceptedRange& range = *Add(kSessionItemBytes).add_accepted();
  range.set_first_sequence(first);
  range.set_last_sequence(last_of_them);
  range.set_durability(level);
  range.set_no_worker(submitted.no_worker);
}

void SessionStream::Refused(uint64_t sequence, const absl::Status& status) {
  if (const int ranges = response_.message().refused_size(); ranges > 0) {
    v1::RefusedRange& last = *response_.message().mutable_refused(ranges - 1);
    if (last.last_sequence() + 1 == sequence && last.status().code() == status.raw_code() &&
        absl::string_view(last.status().message()) == status.message()) {
      last.set_last_sequence(sequence);
      return;
    }
  }
  const auto text_bytes = static_cast<int64_t>(status.message().size());
  v1::RefusedRange& range = *Add(kSessionItemBytes + text_bytes).add_refused();
  range.set_first_sequence(sequence);
  range.set_last_sequence(sequence);
  wire::ToItem(status, range.mutable_status());
}

void SessionStream::Ended(const broker::OutcomeReady& outcome) {
  const engine::FinishedRow& row = *outcome.row;
  if (row.state == engine::TaskState::kSucceeded && row.id.session == session_) {
    return Succeeded(row);
  }
  const int64_t body_bytes = row.body.body == nullptr ? 0 : broker::BytesOf(row.body);
  const auto error_bytes = static_cast<int64_t>(row.error.message.size() + row.error.type.size() +
                                                row.error.worker.size());
  Write(outcome, Add(kSessionItemBytes + body_bytes + error_bytes).add_outcomes());
}

void SessionStream::Succeeded(const engine::FinishedRow& row) {
  const auto bytes_of = [&row](uint32_t index) {
    return static_cast<int64_t>(row.tasks == 1 ? row.body.bytes : row.result_sizes[index]);
  };
  uint64_t begin = 0;  // in the row's results
  for (uint32_t first = 0; first < row.tasks;) {
    int64_t results = bytes_of(first);
    MakeRoom(kResultBytes + results);
    uint32_t end = first + 1;
    for (; end < row.tasks && end - first < response_.room_items(); ++end) {
      const int64_t more = kResultBytes + bytes_of(end);
      if (kResultBytes * (end - first) + results + more > response_.room_bytes()) break;
      results += bytes_of(end);
    }
    const int64_t tasks = end - first;
    v1::OutcomeRun& run = RunOf(row, first, response_.Add(kResultBytes * tasks + results, tasks));
    for (uint32_t i = first; i < end; ++i) run.add_result_sizes(static_cast<uint32_t>(bytes_of(i)));
    const std::string_view all = broker::BytesIn(row.body).substr(begin);
    run.mutable_results()->append(all.data(), static_cast<size_t>(results));
    begin += static_cast<uint64_t>(results);
    first = end;
  }
}

// The last run of the response, or a new one, for the task with this index and what follows it.
v1::OutcomeRun& SessionStream::RunOf(const engine::FinishedRow& row, uint32_t index,
                                     v1::SessionResponse& response) {
  const uint64_t sequence = row.id.sequence + index;
  const std::string& content_type = row.body.body->content_type;
  if (const int runs = response.succeeded_size(); runs > 0) {
    v1::OutcomeRun& last = *response.mutable_succeeded(runs - 1);
    if (last.first_sequence() + static_cast<uint64_t>(last.result_sizes_size()) == sequence &&
        last.content_type() == content_type && last.attempts() == row.attempts &&
        last.finished_at_ms() == row.finished_at_ms) {
      return last;
    }
  }
  v1::OutcomeRun& run = *response_.Add(kSessionItemBytes, 0).add_succeeded();
  run.set_first_sequence(sequence);
  run.set_content_type(content_type);
  run.set_attempts(row.attempts);
  run.set_finished_at_ms(row.finished_at_ms);
  return run;
}

void SessionStream::Unknown(const std::string& task, const absl::Status& status) {
  const auto text_bytes = static_cast<int64_t>(status.message().size());
  v1::UnknownTask& unknown = *Add(2 * kSessionItemBytes + text_bytes).add_unknown_tasks();
  unknown.set_task_id(task);
  wire::ToItem(status, unknown.mutable_status());
}

v1::SessionResponse& SessionStream::Add(int64_t bytes) {
  MakeRoom(bytes);
  return response_.Add(bytes);
}

void SessionStream::MakeRoom(int64_t bytes) {
  may_wait_ = false;
  if (response_.full() || response_.too_full_for(bytes)) Flush();
}

void SessionStream::Flush() {
  if (may_wait_) {
    FlushAtBeat();
    // Unless it was asked for while nothing waited yet.
    if (waits_from_ >= at_once_below_) return;
    may_wait_ = false;
  }
  response_.Flush([this](grpc::ByteBuffer message) { Send(std::move(message)); });
}

void SessionStream::FlushAll() {
  may_wait_ = false;
  Flush();
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
