#include "server/rpc/admin_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/limits.h"
#include "server/rpc/change.h"
#include "server/rpc/convert.h"
#include "server/rpc/page_token.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/validate.h"
#include "treadle/v1/admin_service.pb.h"

namespace treadle::rpc {
namespace {

constexpr absl::string_view kWorkersQuestion = "workers";
constexpr size_t kPageBytes = limits::kOutgoingMessageBytes;
constexpr size_t kWorkersAtOnce = 8;

v1::ServerInfo MakeInfo(const Edge& edge, const broker::View& view) {
  const Options& options = edge.options;
  v1::ServerInfo info;
  info.set_version(options.version);
  info.set_started_at_ms(edge.started_at_ms + edge.clock.WallOffsetMs());
  info.set_now_ms(edge.clock.WallMs());
  info.set_store(edge.store_kind);
  v1::Limits& limits = *info.mutable_limits();
  limits.set_payload_bytes_max(options.payload_bytes_max);
  limits.set_message_bytes_max(edge.message_bytes_max());
  limits.set_batch_tasks_max(options.batch_tasks_max);
  limits.set_streams_per_client_max(static_cast<int32_t>(options.streams_per_client_max));
  limits.set_request_key_window_ms(options.engine.request_key_window_ms);
  limits.set_queues_max(options.engine.queues_max);
  limits.set_unfinished_tasks_max(options.engine.unfinished_tasks_max);
  const engine::EngineTotals totals = view.engine.Totals();
  info.set_unfinished_tasks(totals.unfinished_tasks);
  info.set_queues(totals.queues);
  info.set_workers(totals.workers);
  info.set_sessions(totals.sessions);
  info.set_disk_hung_ms(edge.disk.HungMs(edge.clock.NowMs()));
  return info;
}

absl::Status GetServerInfo(Edge& edge, UnaryCall& call, v1::GetServerInfoRequest&) {
  call.Ask<v1::GetServerInfoResponse>(
      [&edge](const broker::View& view) -> absl::StatusOr<v1::GetServerInfoResponse> {
        v1::GetServerInfoResponse response;
        *response.mutable_server() = MakeInfo(edge, view);
        return response;
      });
  return absl::OkStatus();
}

absl::Status ListWorkers(Edge& edge, UnaryCall& call, v1::ListWorkersRequest& request) {
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  absl::StatusOr<std::string> after = DecodePageToken(kWorkersQuestion, request.page_token());
  if (!after.ok()) return after.status();
  const size_t limit = request.page_size() == 0 ? limits::kPageSizeMax : request.page_size();
  call.Ask<v1::ListWorkersResponse>(
      [&edge, after = *std::move(after),
       limit](const broker::View& view) -> absl::StatusOr<v1::ListWorkersResponse> {
        v1::ListWorkersResponse response;
        size_t bytes = 0;
        size_t left = limit;
        std::string last = after;
        // A few views at a time: a worker of many pools fills a page.
        while (left > 0 && bytes < kPageBytes) {
          const std::vector<engine::WorkerView> some =
              view.engine.ListWorkers(last, std::min(left, kWorkersAtOnce));
          if (some.empty()) return response;
          for (const engine::WorkerView& known : some) {
            if (bytes >= kPageBytes) break;
            v1::Worker& worker = *response.add_workers();
            Write(known, &worker);
            edge.handlers.Write(worker.worker_id(), worker);
            bytes += worker.ByteSizeLong();
            last = known.worker_id;
            --left;
          }
        }
        response.set_next_page_token(EncodePageToken(kWorkersQuestion, last));
        return response;
      });
  return absl::OkStatus();
}

absl::Status DrainWorkers(Edge&, UnaryCall& call, v1::DrainWorkersRequest& request) {
  if (absl::Status s = ValidateName("worker", request.worker()); !s.ok()) return s;
  return Change<engine::WorkersDrained>(
      call, broker::Lane::kWorkers,
      engine::DrainWorkers{.worker = std::move(*request.mutable_worker())},
      [](UnaryCall& self, const engine::WorkersDrained& drained) {
        v1::DrainWorkersResponse response;
        response.set_workers(drained.workers);
        self.Reply(response);
      });
}

absl::Status GetCharts(Edge& edge, UnaryCall& call, v1::GetChartsRequest& request) {
  if (!v1::ChartSpan_IsValid(request.span())) {
    return absl::InvalidArgumentError("span is none of ChartSpan's: CHART_SPAN_HOUR or ..._DAY");
  }
  if (request.after_ms() < 0) {
    return absl::InvalidArgumentError(
        "after_ms is negative: give the last time_ms of an earlier response, or 0");
  }
  v1::GetChartsResponse response;
  edge.charts.Write(request.span(), edge.clock.WallOffsetMs(), request.after_ms(),
                    *response.mutable_charts());
  call.Reply(response);
  return absl::OkStatus();
}

}  // namespace

void ServeAdmin(Methods& methods) {
  Service admin(methods, "treadle.v1.AdminService");
  admin.Unary("GetServerInfo", GetServerInfo);
  admin.Unary("ListWorkers", ListWorkers);
  admin.Unary("DrainWorkers", DrainWorkers);
  admin.Unary("GetCharts", GetCharts);
}

}  // namespace treadle::rpc
