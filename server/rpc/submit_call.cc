#include "server/rpc/submit_call.h"

#include <utility>
#include <vector>

#include "absl/strings/str_join.h"

#include "proto/support/trace_context.h"
#include "proto/wire/status.h"
#include "server/rpc/batch_response.h"
#include "server/rpc/convert.h"
#include "server/rpc/requests.h"
#include "server/rpc/submit_reader.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {
namespace {

// The submits of one call, and their answers: those that are refused at the edge have theirs.
template <typename Response>
struct Batch {
  explicit Batch(int tasks) : items(tasks) { requests.reserve(static_cast<size_t>(tasks)); }

  void Add(Edge& edge, const UnaryCall& call, engine::Submit submit, broker::BodyPtr body) {
    v1::SubmitResult& result = *filling.response.add_results();
    if (!submit.refusal.ok()) return wire::ToItem(submit.refusal, items, result.mutable_status());
    submit.call = call.id();
    submit.origin = call.origin();
    submit.item = static_cast<uint64_t>(filling.response.results_size() - 1);
    for (uint32_t i = 1; i < submit.tasks(); ++i) filling.response.add_results();
    submit.id = edge.broker.NewTaskIds(submit.tasks());
    filling.unanswered += submit.tasks();
    requests.push_back(ToRequest(std::move(submit), std::move(body)));
  }

  const int items;
  std::vector<broker::Request> requests;
  BatchResponse<Response> filling;
};

void Fill(const engine::Submitted& submitted, int64_t items, bool disk, v1::SubmitResult& result) {
  wire::ToItem(submitted.status, items, result.mutable_status());
  if (!submitted.status.ok()) return;
  result.set_task_id(submitted.id.ToString());
  result.set_durability(AckLevel(submitted.durability, disk));
  result.set_existing(submitted.existing);
  result.set_no_worker(submitted.no_worker);
}

template <typename Response>
void Post(const Edge& edge, UnaryCall& call, Batch<Response> batch) {
  if (batch.requests.empty()) {
    call.Reply(batch.filling.response);
    return;
  }
  const bool disk = edge.reach == store::Reach::kDisk;
  call.Expect([disk, filling = std::move(batch.filling)](UnaryCall& self,
                                                         broker::Delivery& delivery) mutable {
    const auto* submitted = std::get_if<engine::Submitted>(&delivery);
    if (submitted == nullptr) return;
    engine::Submitted task = *submitted;
    for (uint32_t i = 0; i < submitted->tasks; ++i) {
      Fill(task, filling.response.results_size(), disk,
           *filling.response.mutable_results(static_cast<int>(task.item)));
      ++task.item;
      ++task.id.sequence;
    }
    filling.Answered(self, submitted->tasks);
  });
  // Those that wait for room in a full queue wait no longer than the call.
  call.Park(broker::Lane::kClients);
  call.Post(broker::Lane::kClients, std::move(batch.requests));
}

}  // namespace

absl::Status Submit(Edge& edge, UnaryCall& call, v1::SubmitRequest& request) {
  const int tasks = request.tasks_size();
  if (absl::Status s = ValidateBatch("tasks", tasks, 1, edge.bounds().batch_tasks_max); !s.ok()) {
    return s;
  }
  Batch<v1::SubmitResponse> batch(tasks);
  SubmitReader reader(edge.bounds());
  reader.Trace(call.Metadata(kTraceParent), call.Metadata(kTraceState));
  const int64_t wall_ms = edge.clock.WallMs();
  for (v1::TaskSpec& task : *request.mutable_tasks()) {
    broker::BodyPtr body;
    engine::Submit submit = reader.Read(task, wall_ms, body);
    batch.Add(edge, call, std::move(submit), std::move(body));
  }
  Post(edge, call, std::move(batch));
  return absl::OkStatus();
}

absl::Status SubmitRun(Edge& edge, UnaryCall& call, v1::SubmitRunRequest& request) {
  const int tasks = request.payloads_size();
  if (absl::Status s = ValidateBatch("payloads", tasks, 1, edge.bounds().batch_tasks_max);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateCommon("", request.common(), tasks, request.request_keys_size());
      !s.ok()) {
    return s;
  }
  Batch<v1::SubmitRunResponse> batch(tasks);
  SubmitReader reader(edge.bounds());
  reader.Trace(call.Metadata(kTraceParent), call.Metadata(kTraceState));
  reader.Begin(*request.mutable_common(), edge.clock.WallMs());
  std::vector<uint32_t> sizes;
  sizes.reserve(static_cast<size_t>(tasks));
  for (const std::string& payload : request.payloads()) {
    sizes.push_back(static_cast<uint32_t>(payload.size()));
  }
  if (request.request_keys().empty() && reader.MayRun(sizes)) {
    broker::BodyPtr body;
    engine::Submit run =
        reader.NextRun(absl::StrJoin(request.payloads(), ""), std::move(sizes), body);
    batch.Add(edge, call, std::move(run), std::move(body));
    Post(edge, call, std::move(batch));
    return absl::OkStatus();
  }
  for (int i = 0; i < tasks; ++i) {
    std::string key;
    if (i < request.request_keys_size()) key = std::move(*request.mutable_request_keys(i));
    broker::BodyPtr body;
    engine::Submit submit =
        reader.Next(std::move(*request.mutable_payloads(i)), std::move(key), body);
    batch.Add(edge, call, std::move(submit), std::move(body));
  }
  Post(edge, call, std::move(batch));
  return absl::OkStatus();
}

}  // namespace treadle::rpc
