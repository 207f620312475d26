#include "server/rpc/admin_service.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/process.h"
#include "proto/support/task_id.h"
#include "server/broker/stored_tasks.h"
#include "server/engine/refusals.h"
#include "server/rpc/change.h"
#include "server/rpc/convert.h"
#include "server/rpc/page_token.h"
#include "server/rpc/spread.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/validate.h"
#include "treadle/v1/admin_service.pb.h"

namespace treadle::rpc {
namespace {

constexpr absl::string_view kWorkersQuestion = "workers";
constexpr absl::string_view kDrainsQuestion = "drains";
constexpr size_t kPageBytes = limits::kOutgoingMessageBytes;
constexpr size_t kWorkersAtOnce = 8;

v1::ServerStats MakeStats(const Edge& edge, const broker::View& view, int64_t resident_bytes) {
  const broker::Figures figures = view.Figures();
  const broker::TurnFigures before = edge.charts.TurnsBefore();
  const Spread syncs = SpreadOf(before.sync_ms, figures.turns.sync_ms);
  const Spread requests = SpreadOf(before.requests, figures.turns.requests);
  const Spread bytes = SpreadOf(before.batch_bytes, figures.turns.batch_bytes);
  v1::ServerStats stats;
  stats.set_sync_p50_ms(syncs.p50);
  stats.set_sync_p99_ms(syncs.p99);
  stats.set_sync_last_ms(figures.turns.sync_last_ms);
  stats.set_turn_requests_mean(requests.mean);
  stats.set_turn_requests_p99(requests.p99);
  stats.set_turn_bytes_mean(bytes.mean);
  stats.set_turn_bytes_p99(bytes.p99);

  const broker::BrokerOptions& options = view.Options();
  stats.set_resident_bytes(resident_bytes);
  stats.set_payload_cache_bytes(figures.payload_cache_bytes);
  stats.set_payload_cache_bytes_max(options.payload_cache_bytes_max);
  stats.set_waiting_bytes(figures.holdings.waiting_bytes);
  stats.set_waiting_bytes_max(options.waiting_bytes_max);
  stats.set_unsynced_bytes(figures.unsynced_bytes);
  stats.set_unsynced_bytes_max(options.unsynced_bytes_max);
  int64_t incoming_bytes = 0;
  for (const broker::LaneFigures& lane : figures.lanes) incoming_bytes += lane.bytes;
  stats.set_incoming_bytes(incoming_bytes);
  stats.set_incoming_lane_bytes_max(options.inbox_bytes_max);
  stats.set_outgoing_bytes(edge.outgoing.bytes());
  stats.set_outgoing_bytes_max(edge.options.outgoing_bytes_sum_max);
  return stats;
}

v1::ServerInfo MakeInfo(const Edge& edge, const broker::View& view, int64_t resident_bytes) {
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
  *info.mutable_stats() = MakeStats(edge, view, resident_bytes);
  return info;
}

absl::Status GetServerInfo(Edge& edge, UnaryCall& call, v1::GetServerInfoRequest&) {
  call.Ask<v1::GetServerInfoResponse>(
      [&edge, resident_bytes = ResidentBytes()](
          const broker::View& view) -> absl::StatusOr<v1::GetServerInfoResponse> {
        v1::GetServerInfoResponse response;
        *response.mutable_server() = MakeInfo(edge, view, resident_bytes);
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

template <typename Response>
absl::StatusOr<Response> ShowDrain(const broker::View& view, uint64_t id) {
  const auto drain = view.engine.FindDrain(id);
  if (!drain.has_value()) return engine::refusal::NoSuchDrain(id);
  Response response;
  Write(*drain, response.mutable_drain());
  return response;
}

absl::Status ValidateDrain(const v1::DrainWorkersRequest& request) {
  if (request.worker().empty() && request.labels().empty()) {
    return absl::InvalidArgumentError(
        "worker: empty, and no labels; give a name, an id, a pattern of names, or labels");
  }
  if (absl::Status s = ValidateOptionalName("worker", request.worker()); !s.ok()) return s;
  if (absl::Status s = ValidateLabels("labels", request.labels()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName("reason", request.reason()); !s.ok()) return s;
  return ValidateRange("for_ms", request.for_ms(), 0, limits::kAheadMsMax, "ms");
}

absl::Status DrainWorkers(Edge&, UnaryCall& call, v1::DrainWorkersRequest& request) {
  if (absl::Status s = ValidateDrain(request); !s.ok()) return s;
  engine::SetDrain set;
  set.match.worker = std::move(*request.mutable_worker());
  set.match.labels = {request.labels().begin(), request.labels().end()};
  set.reason = std::move(*request.mutable_reason());
  set.for_ms = request.for_ms();
  return Change<engine::DrainChanged>(
      call, broker::Lane::kWorkers, std::move(set),
      [](UnaryCall& self, const engine::DrainChanged& changed) {
        self.Ask<v1::DrainWorkersResponse>([id = changed.drain](const broker::View& view) {
          auto response = ShowDrain<v1::DrainWorkersResponse>(view, id);
          if (response.ok()) response->set_workers(response->drain().workers());
          return response;
        });
      });
}

absl::StatusOr<uint64_t> ReadDrainId(const std::string& text) {
  const std::optional<uint64_t> id = ParseNumber(text);
  if (id.has_value()) return *id;
  return absl::InvalidArgumentError(absl::StrCat("drain_id: '", text.substr(0, kShownIdBytes),
                                                 "' is not a drain's id; ListDrains has them"));
}

absl::Status GetDrain(Edge&, UnaryCall& call, v1::GetDrainRequest& request) {
  const absl::StatusOr<uint64_t> id = ReadDrainId(request.drain_id());
  if (!id.ok()) return id.status();
  call.Ask<v1::GetDrainResponse>(
      [id = *id](const broker::View& view) { return ShowDrain<v1::GetDrainResponse>(view, id); });
  return absl::OkStatus();
}

absl::Status ListDrains(Edge&, UnaryCall& call, v1::ListDrainsRequest& request) {
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  const absl::StatusOr<uint64_t> after =
      DecodePageNumber(kDrainsQuestion, request.page_token(), /*first=*/0);
  if (!after.ok()) return after.status();
  const auto limit = static_cast<size_t>(OrDefault(request.page_size(), limits::kTasksPageSize));
  call.Ask<v1::ListDrainsResponse>(
      [after = *after, limit](const broker::View& view) -> absl::StatusOr<v1::ListDrainsResponse> {
        v1::ListDrainsResponse response;
        const auto drains = view.engine.ListDrains(after, limit);
        for (const engine::DrainView& drain : drains) Write(drain, response.add_drains());
        if (!drains.empty() && !view.engine.ListDrains(drains.back().id, 1).empty()) {
          response.set_next_page_token(
              EncodePageToken(kDrainsQuestion, absl::StrCat(drains.back().id)));
        }
        return response;
      });
  return absl::OkStatus();
}

absl::Status RemoveDrain(Edge&, UnaryCall& call, v1::RemoveDrainRequest& request) {
  const absl::StatusOr<uint64_t> id = ReadDrainId(request.drain_id());
  if (!id.ok()) return id.status();
  return Change<engine::DrainChanged>(
      call, broker::Lane::kWorkers, engine::RemoveDrain{.drain = *id},
      [](UnaryCall& self, const engine::DrainChanged&) { self.Reply(v1::RemoveDrainResponse()); });
}

absl::Status ReleaseWorker(Edge&, UnaryCall& call, v1::ReleaseWorkerRequest& request) {
  if (absl::Status s = ValidateName("worker", request.worker()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName("reason", request.reason()); !s.ok()) return s;
  return Change<engine::WorkersReleased>(
      call, broker::Lane::kWorkers,
      engine::ReleaseWorker{.worker = std::move(*request.mutable_worker()),
                            .reason = std::move(*request.mutable_reason())},
      [](UnaryCall& self, const engine::WorkersReleased& released) {
        v1::ReleaseWorkerResponse response;
        response.set_workers(released.workers);
        self.Reply(response);
      });
}

// A page of what operators did.
struct ActionQuestion {
  std::string subject;
  uint32_t kinds = 0;  // a bit mask of 1 << ActionKind; 0: all

  std::string Text() const { return absl::StrCat("actions ", kinds, " ", subject); }
  bool Takes(const engine::ActionRow& row) const {
    return (subject.empty() || row.subject == subject) &&
           (kinds == 0 || (kinds & (1u << static_cast<uint32_t>(row.kind))) != 0);
  }
};

absl::Status ListActions(Edge&, UnaryCall& call, v1::ListActionsRequest& request) {
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName("subject", request.subject()); !s.ok()) return s;
  ActionQuestion question{.subject = request.subject()};
  for (const int kind : request.kinds()) {
    if (!v1::ActionKind_IsValid(kind) || kind == v1::ACTION_KIND_UNSPECIFIED) {
      return absl::InvalidArgumentError(
          absl::StrCat("kinds: ", kind, " is no ActionKind; use ACTION_KIND_QUEUE_PAUSED, say"));
    }
    question.kinds |= 1u << static_cast<uint32_t>(kind);
  }
  const absl::StatusOr<uint64_t> before =
      DecodePageNumber(question.Text(), request.page_token(), /*first=*/UINT64_MAX);
  if (!before.ok()) return before.status();
  const auto limit = static_cast<size_t>(OrDefault(request.page_size(), limits::kTasksPageSize));
  using Response = absl::StatusOr<v1::ListActionsResponse>;
  call.Ask<v1::ListActionsResponse>(
      [](const broker::View&) -> std::optional<Response> { return std::nullopt; },
      [question = std::move(question), before = *before,
       limit](broker::StoredTasks& stored) -> Response {
        const absl::StatusOr<broker::ActionPage> page = stored.ListActions(
            before, limit,
            [&question](const engine::ActionRow& row) { return question.Takes(row); });
        if (!page.ok()) return page.status();
        v1::ListActionsResponse response;
        for (const engine::ActionRow& row : page->rows) Write(row, response.add_actions());
        if (page->before.has_value()) {
          response.set_next_page_token(
              EncodePageToken(question.Text(), absl::StrCat(*page->before)));
        }
        return response;
      });
  return absl::OkStatus();
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
  admin.Unary("GetDrain", GetDrain);
  admin.Unary("ListDrains", ListDrains);
  admin.Unary("RemoveDrain", RemoveDrain);
  admin.Unary("ReleaseWorker", ReleaseWorker);
  admin.Unary("ListActions", ListActions);
  admin.Unary("GetCharts", GetCharts);
}

}  // namespace treadle::rpc
