#include "server/rpc/worker_service.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"

#include "proto/support/assert.h"
#include "proto/support/limits.h"
#include "proto/wire/status.h"
#include "server/rpc/attach_stream.h"
#include "server/rpc/batch_response.h"
#include "server/rpc/convert.h"
#include "server/rpc/requests.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/validate.h"
#include "treadle/v1/worker_service.pb.h"

namespace treadle::rpc {
namespace {

// gRPC's clients take messages of 4 MiB unless told otherwise: stay below it where one task alone
// does not go beyond.
constexpr int64_t kLeaseResponseBytes = 3 * limits::kMiB;
// The response's own, and the frame of each task in it.
constexpr int64_t kAroundTaskBytes = 32;

int64_t LeaseMs(int64_t lease_ms) { return lease_ms == 0 ? limits::kLeaseMs : lease_ms; }

// Answers with as many tasks as fit into what the client takes; the others go back.
void OnLeased(Edge& edge, UnaryCall& call, const broker::Leased& leased,
              int64_t message_bytes_max) {
  v1::LeaseResponse response;
  response.set_waited_ms(leased.waited_ms);
  int64_t bytes = 0;
  size_t taken = 0;
  absl::Status refused;
  for (const broker::LeasedRun& task : leased.runs) {
    TREADLE_ASSERT(task.lease.tasks == 1);  // who polls is given single ones
    v1::LeasedTask* const out = response.add_tasks();
    Write(task, leased.now_ms, out);
    bytes += static_cast<int64_t>(out->ByteSizeLong());
    absl::Status fits =
        CheckTaken(message_bytes_max, bytes + kAroundTaskBytes, task.lease.task, *task.lease.queue);
    if (!fits.ok() || (taken > 0 && bytes > kLeaseResponseBytes)) {
      if (taken == 0) refused = std::move(fits);
      response.mutable_tasks()->RemoveLast();
      break;
    }
    ++taken;
  }
  const auto all = absl::MakeConstSpan(leased.runs);
  call.Unpark();
  if (!refused.ok()) {
    call.End(std::move(refused));
  } else if (!call.Reply(response)) {
    taken = 0;  // the client has gone
  }
  if (taken < all.size()) HandBack(edge.broker, edge.calls.NewId(), all.subspan(taken));
}

absl::Status Lease(Edge& edge, UnaryCall& call, v1::LeaseRequest& request) {
  if (absl::Status s = ValidateLease(request); !s.ok()) return s;
  engine::PollTasks poll;
  poll.call = call.id();
  poll.origin = call.origin();
  poll.queues = ReadNames(*request.mutable_queues());
  poll.types = ReadNames(*request.mutable_types());
  poll.worker_name = std::move(*request.mutable_worker_name());
  poll.max_tasks = std::max(1, request.max_tasks());
  poll.lease_ms = LeaseMs(request.lease_ms());
  poll.wait_ms = request.wait_ms();
  call.Expect([&edge, message_bytes_max = request.message_bytes_max()](UnaryCall& self,
                                                                       broker::Delivery& delivery) {
    if (const auto* leased = std::get_if<broker::Leased>(&delivery)) {
      OnLeased(edge, self, *leased, message_bytes_max);
    } else if (const auto* end = std::get_if<engine::EndCall>(&delivery)) {
      self.End(end->status);
    }
  });
  call.Park(broker::Lane::kWorkers);
  call.Post(broker::Lane::kWorkers, ToRequest(std::move(poll)));
  return absl::OkStatus();
}

absl::Status Complete(Edge& edge, UnaryCall& call, v1::CompleteRequest& request) {
  const Bounds bounds = edge.bounds();
  if (absl::Status s = ValidateBatch("reports", request.reports_size(), 1, bounds.batch_tasks_max);
      !s.ok()) {
    return s;
  }
  BatchResponse<v1::CompleteResponse> filling;
  std::vector<broker::Request> requests;
  for (int i = 0; i < request.reports_size(); ++i) {
    v1::AttemptReport& report = *request.mutable_reports(i);
    v1::ReportResult& result = *filling.response.add_results();
    result.set_token(report.token());
    if (const absl::Status status = ValidateReport(report, bounds); !status.ok()) {
      wire::ToItem(status, request.reports_size(), result.mutable_status());
      continue;
    }
    broker::BodyPtr body;
    engine::EndAttempt end = ReadReport(report, body);
    end.call = call.id();
    end.item = static_cast<uint64_t>(i);
    end.reply = true;
    requests.push_back(ToRequest(std::move(end), std::move(body)));
  }
  if (requests.empty()) {
    call.Reply(filling.response);
    return absl::OkStatus();
  }
  filling.unanswered = requests.size();
  call.Expect([filling = std::move(filling)](UnaryCall& self, broker::Delivery& delivery) mutable {
    const auto* done = std::get_if<engine::ReportDone>(&delivery);
    if (done == nullptr) return;
    Write(*done, filling.response.mutable_results(static_cast<int>(done->item)));
    filling.Answered(self);
  });
  call.Post(broker::Lane::kWorkers, std::move(requests));
  return absl::OkStatus();
}

void Write(const engine::LeaseExtended& extended, v1::ExtendResult* out) {
  wire::ToItem(extended.status, out->mutable_status());
  out->set_stop_reason(static_cast<v1::StopReason>(extended.stop));
  out->set_lease_ms(extended.lease_ms);
}

absl::Status Extend(Edge& edge, UnaryCall& call, v1::ExtendRequest& request) {
  if (absl::Status s =
          ValidateBatch("leases", request.leases_size(), 1, edge.options.batch_tasks_max);
      !s.ok()) {
    return s;
  }
  BatchResponse<v1::ExtendResponse> filling;
  std::vector<broker::Request> requests;
  for (int i = 0; i < request.leases_size(); ++i) {
    v1::LeaseExtension& lease = *request.mutable_leases(i);
    v1::ExtendResult& result = *filling.response.add_results();
    result.set_token(lease.token());
    if (const absl::Status status = ValidateExtension(lease); !status.ok()) {
      wire::ToItem(status, request.leases_size(), result.mutable_status());
      continue;
    }
    requests.push_back(ToRequest(engine::ExtendLease{.call = call.id(),
                                                     .item = static_cast<uint64_t>(i),
                                                     .token = engine::Token{lease.token()},
                                                     .lease_ms = LeaseMs(lease.lease_ms())}));
    ++filling.unanswered;
    if (lease.has_progress()) {
      requests.push_back(
          {broker::ReportProgress{.call = call.id(),
                                  .token = engine::Token{lease.token()},
                                  .progress = ReadProgress(*lease.mutable_progress())},
           nullptr});
    }
  }
  if (requests.empty()) {
    call.Reply(filling.response);
    return absl::OkStatus();
  }
  call.Expect([filling = std::move(filling)](UnaryCall& self, broker::Delivery& delivery) mutable {
    const auto* extended = std::get_if<engine::LeaseExtended>(&delivery);
    if (extended == nullptr) return;
    Write(*extended, filling.response.mutable_results(static_cast<int>(extended->item)));
    filling.Answered(self);
  });
  call.Post(broker::Lane::kWorkers, std::move(requests));
  return absl::OkStatus();
}

absl::Status AppendOutput(Edge&, UnaryCall& call, v1::AppendOutputRequest& request) {
  if (absl::Status s = ValidateAppend(request); !s.ok()) return s;
  broker::TakeOutput output{.call = call.id(),
                            .token = engine::Token{request.token()},
                            .entries = ReadEntries(*request.mutable_entries())};
  if (request.has_first_index()) output.first_index = request.first_index();
  call.Expect([](UnaryCall& self, broker::Delivery& delivery) {
    const auto* taken = std::get_if<broker::OutputTaken>(&delivery);
    if (taken == nullptr) return;
    if (!taken->status.ok()) return self.End(taken->status);
    v1::AppendOutputResponse response;
    response.set_next_index(taken->next_index);
    self.Reply(response);
  });
  call.Post(broker::Lane::kWorkers, {std::move(output), nullptr});
  return absl::OkStatus();
}

}  // namespace

void ServeWorkers(Methods& methods) {
  Service workers(methods, "treadle.v1.WorkerService");
  workers.Stream<AttachStream>("Attach");
  workers.Unary("Lease", Lease);
  workers.Unary("Complete", Complete);
  workers.Unary("Extend", Extend);
  workers.Unary("AppendOutput", AppendOutput);
}

}  // namespace treadle::rpc
