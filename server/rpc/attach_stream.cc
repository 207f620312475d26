#include "server/rpc/attach_stream.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "proto/wire/column.h"
#include "proto/wire/settings.h"
#include "server/broker/body.h"
#include "server/rpc/requests.h"

namespace treadle::rpc {
namespace {

constexpr int64_t kPayloadFrameBytes = 4;  // what a payload in a run has beside its own, about
constexpr int64_t kAttachItemBytes = 96;   // what an item has beside its long fields, about

}  // namespace

AttachStream::AttachStream(Edge& edge, grpc::CallbackServerContext* context)
    : BidiCall(edge, context, broker::Lane::kWorkers, edge.worker_heartbeat_ms()),
      bounds_(edge.bounds()) {}

absl::Status AttachStream::OnMessage(const grpc::ByteBuffer& message) {
  request_.Clear(static_cast<int64_t>(message.Length()));
  v1::AttachRequest& request = *request_;
  if (absl::Status s = Parse(message, edge_.message_bytes_max(), request); !s.ok()) return s;
  std::vector<broker::Request> requests;
  if (absl::Status s = ReadHelloOnce(request, requests); !s.ok()) return s;
  if (absl::Status s = ValidateAttach(request, pools_, bounds_); !s.ok()) return s;
  requests.reserve(static_cast<size_t>(CountReports(request)) + request.started_tokens_size() +
                   request.credits_size() + request.progress_size() + 4);

  requests.push_back(ToRequest(engine::Heartbeat{id()}));
  for (const uint64_t token : request.started_tokens()) {
    requests.push_back(ToRequest(engine::StartAttempt{id(), engine::Token{token}}));
  }
  for (v1::ProgressReport& progress : *request.mutable_progress()) {
    requests.push_back(
        {broker::ReportProgress{.call = id(),
                                .token = engine::Token{progress.token()},
                                .progress = ReadProgress(*progress.mutable_progress())},
         nullptr});
  }
  for (v1::OutputReport& report : *request.mutable_output()) {
    requests.push_back({broker::TakeOutput{.call = id(),
                                           .token = engine::Token{report.token()},
                                           .first_index = report.first_index(),
                                           .entries = ReadEntries(*report.mutable_entries())},
                        nullptr});
  }
  HandleReports(request, requests);
  for (const v1::Credit& credit : request.credits()) {
    requests.push_back(ToRequest(engine::AddCredit{id(), credit.pool(), credit.tasks()}));
  }
  if (request.handlers_size() > 0) {
    edge_.handlers.Put(worker_id_, id(), std::move(*request.mutable_handlers()));
  }
  if (request.drain()) requests.push_back(ToRequest(engine::DrainWorker{id()}));
  request_.Release();
  Post(std::move(requests));
  return absl::OkStatus();
}

absl::Status AttachStream::ReadHelloOnce(v1::AttachRequest& request,
                                         std::vector<broker::Request>& requests) {
  if (pools_ != 0 && !request.has_hello()) return absl::OkStatus();
  if (pools_ != 0) {
    return absl::InvalidArgumentError(
        "hello: this stream has begun already; send it in the first message only");
  }
  if (!request.has_hello()) {
    return absl::InvalidArgumentError("hello: absent; it must be in the stream's first message");
  }
  if (absl::Status s = ValidateHello(request.hello()); !s.ok()) return s;
  worker_id_ = request.hello().worker_id();
  taken_bytes_max_ = request.hello().message_bytes_max();
  engine::AttachWorker attach = ReadHello(*request.mutable_hello());
  attach.call = id();
  attach.peer = peer();
  attach.origin = origin();
  pools_ = static_cast<int>(attach.pools.size());
  requests.push_back(ToRequest(std::move(attach)));
  return absl::OkStatus();
}

// All of them at once, unless one of them is too large: it alone is refused.
void AttachStream::HandleSucceeded(v1::ReportRun& run, std::vector<broker::Request>& requests,
                                   absl::FunctionRef<void(uint64_t, absl::Status)> refuse) {
  engine::EndAttempt end{.call = id(), .token = engine::Token{run.first_token()}};
  end.result_sizes.assign(run.result_sizes().begin(), run.result_sizes().end());
  const auto fits = [this](uint32_t bytes) { return ValidateResult(bytes, bounds_).ok(); };
  if (std::all_of(end.result_sizes.begin(), end.result_sizes.end(), fits)) {
    broker::BodyPtr results = ReadResult(std::move(*run.mutable_results()), run.content_type());
    requests.push_back(ToRequest(std::move(end), std::move(results)));
    return;
  }
  const auto read = [&](size_t index, absl::string_view result) {
    const uint64_t token = run.first_token() + index;
    if (absl::Status s = ValidateResult(static_cast<int64_t>(result.size()), bounds_); !s.ok()) {
      return refuse(token, std::move(s));
    }
    requests.push_back(ToRequest(engine::EndAttempt{.call = id(), .token = engine::Token{token}},
                                 ReadResult(std::string(result), run.content_type())));
  };
  wire::ForEachItem(run.result_sizes(), run.results(), read);
}

void AttachStream::HandleReports(v1::AttachRequest& request,
                                 std::vector<broker::Request>& requests) {
  std::vector<broker::Delivery> refused;
  const auto refuse = [&](uint64_t token, absl::Status status) {
    refused.push_back(engine::ReportDone{
        .call = id(), .token = engine::Token{token}, .status = std::move(status)});
  };
  for (v1::ReportRun& run : *request.mutable_succeeded()) HandleSucceeded(run, requests, refuse);
  for (v1::AttemptReport& report : *request.mutable_reports()) {
    if (absl::Status s = ValidateReport(report, bounds_); !s.ok()) {
      refuse(report.token(), std::move(s));
      continue;
    }
    broker::BodyPtr body;
    engine::EndAttempt end = ReadReport(report, body);
    end.call = id();
    requests.push_back(ToRequest(std::move(end), std::move(body)));
  }
  // By way of the outbox, because what is sent is its thread's; so they come before the answer to
  // the report_sequence. No more is read until it has them: it has no other bound for them.
  if (!refused.empty()) {
    HoldReading();
    refused.emplace_back(broker::Answer([self = shared_from_this(), this] { ResumeReading(); }));
    edge_.outbox.Release(std::move(refused));
  }
  if (request.report_sequence() != 0) {
    if (!request.answer_may_wait()) answer_at_once_ = request.report_sequence();
    requests.push_back(ToRequest(engine::EndReports{id(), request.report_sequence()}));
  }
}

void AttachStream::Hear(broker::Delivery& delivery) {
  if (const auto* leased = std::get_if<broker::Leased>(&delivery)) {
    Leased(*leased);
  } else if (const auto* handled = std::get_if<engine::ReportsHandled>(&delivery)) {
    Handled(handled->sequence);
  } else if (const auto* done = std::get_if<engine::ReportDone>(&delivery)) {
    const auto text_bytes = static_cast<int64_t>(done->status.message().size());
    Write(*done, Add(kAttachItemBytes + text_bytes).add_refused_reports());
  } else if (const auto* stop = std::get_if<engine::StopAttempt>(&delivery)) {
    Write(*stop, Add(kAttachItemBytes).add_stops());
  } else if (const auto* attached = std::get_if<engine::WorkerAttached>(&delivery)) {
    Attached(*attached);
  } else if (const auto* taken = std::get_if<broker::OutputTaken>(&delivery)) {
    v1::OutputHandled& said = *Add(kAttachItemBytes).add_output_handled();
    said.set_token(static_cast<uint64_t>(taken->token));
    said.set_below_index(taken->next_index);
  } else if (std::holds_alternative<engine::DrainAsked>(delivery)) {
    Add(kAttachItemBytes).set_drain(true);
  } else if (const auto* end = std::get_if<engine::EndCall>(&delivery)) {
    FlushAll();
    End(end->status);
  }
}

void AttachStream::Attached(const engine::WorkerAttached& attached) {
  if (!attached.status.ok()) {
    End(attached.status);
    return;
  }
  if (taken_bytes_max_ > 0) response_.BoundBy(taken_bytes_max_);
  // A worker that held nothing does not know that leases are on their way, which it must renew.
  response_.AnnounceFrom(wire::kSlowestLinkBytesPerMs * edge_.options.engine.lease_ms / 4);
  v1::Welcome& welcome = *Add(kAttachItemBytes).mutable_welcome();
  welcome.set_lease_ms(edge_.options.engine.lease_ms);
  welcome.set_heartbeat_ms(heartbeat_ms());
  welcome.set_idle_heartbeat_ms(edge_.options.idle_heartbeat_ms);
  welcome.set_payload_bytes_max(edge_.options.payload_bytes_max);
  welcome.set_message_bytes_max(edge_.message_bytes_max());
  for (const engine::Token token : attached.revoked_tokens) {
    welcome.add_revoked_tokens(static_cast<uint64_t>(token));
  }
  Flush();
  Greeted();
}

void AttachStream::Handled(uint64_t sequence) {
  const bool nothing_else = response_.empty() || may_wait_;
  const uint64_t at_once = answer_at_once_;
  Add(kAttachItemBytes).set_handled_report_sequence(sequence);
  may_wait_ = nothing_else && !(handled_ < at_once && at_once <= sequence);
  handled_ = sequence;
}

void AttachStream::Leased(const broker::Leased& leased) {
  const absl::Span<const broker::LeasedRun> runs = leased.runs;
  if (ended()) return HandBack(edge_.broker, edge_.calls.NewId(), runs);
  v1::LeasedRun* out = nullptr;  // that the next tasks may join; null: none
  for (size_t i = 0; i < runs.size(); ++i) {
    const broker::LeasedRun& run = runs[i];
    if (out != nullptr && !Continues(run, runs[i - 1])) out = nullptr;
    for (uint32_t added = 0; added < run.lease.tasks;) {
      if (absl::Status taken = AddSome(run, leased.now_ms, added, out); !taken.ok()) {
        // It goes back with all that is behind it, and the stream ends: whoever cannot take it must
        // be told.
        HandBack(edge_.broker, edge_.calls.NewId(), runs.subspan(i), added);
        FlushAll();
        End(std::move(taken));
        return;
      }
    }
  }
}

absl::Status AttachStream::AddSome(const broker::LeasedRun& run, int64_t now_ms, uint32_t& added,
                                   v1::LeasedRun*& out) {
  const uint32_t first = added;
  int64_t bytes = kAttachItemBytes + BytesBesidesPayload(run) + PayloadBytes(run, first);
  const TaskId task = engine::TaskRange{run.lease.task, run.lease.tasks}.At(first);
  absl::Status taken = CheckTaken(taken_bytes_max_, bytes, task, *run.lease.queue);
  if (!taken.ok()) return taken;
  may_wait_ = false;
  if (MakeRoom(bytes)) out = nullptr;
  uint32_t end = first + 1;
  for (; end < run.lease.tasks && end - first < response_.room_items(); ++end) {
    const int64_t more = kPayloadFrameBytes + PayloadBytes(run, end);
    if (bytes + more > response_.room_bytes()) break;
    bytes += more;
  }
  v1::AttachResponse& response = response_.Add(bytes, end - first);
  if (out == nullptr) {
    out = response.add_runs();
    WriteSpec(run, first, now_ms, out->mutable_first());
  }
  AppendPayloads(run, first, end, out);
  added = end;
  return taken;
}

v1::AttachResponse& AttachStream::Add(int64_t bytes) {
  may_wait_ = false;
  MakeRoom(bytes);
  return response_.Add(bytes);
}

bool AttachStream::MakeRoom(int64_t bytes) {
  const bool flushes = response_.full() || response_.too_full_for(bytes);
  if (flushes) Flush();
  return flushes;
}

void AttachStream::Flush() {
  if (may_wait_) return FlushAtBeat();
  response_.Flush([this](grpc::ByteBuffer message) { Send(std::move(message)); });
}

void AttachStream::FlushAll() {
  may_wait_ = false;
  Flush();
}

// The heartbeats that are due wait behind the message.
void AttachStream::OnArriving() {
  // When the lane is full the broker does not judge by what it cannot have heard.
  (void)edge_.broker.Post(broker::Lane::kWorkers, ToRequest(engine::Heartbeat{id()}));
}

grpc::ByteBuffer AttachStream::DiskHungMessage(int64_t hung_ms) const {
  v1::AttachResponse response;
  response.set_disk_hung_ms(hung_ms);
  return Serialize(response);
}

void AttachStream::OnOver() {
  edge_.handlers.Drop(worker_id_, id());
  std::vector<broker::Request> last;
  last.push_back(ToRequest(engine::CallClosed{id()}));
  PostLast(std::move(last));
}

}  // namespace treadle::rpc
