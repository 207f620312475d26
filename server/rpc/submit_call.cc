#include "server/rpc/submit_call.h"

#include <utility>
#include <vector>

#include "proto/wire/status.h"
#include "server/rpc/batch_response.h"
#include "server/rpc/convert.h"
#include "server/rpc/requests.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {
namespace {

void Fill(const engine::Submitted& submitted, bool disk, v1::SubmitResponse& response) {
  v1::SubmitResult& result = *response.mutable_results(static_cast<int>(submitted.item));
  wire::ToItem(submitted.status, response.results_size(), result.mutable_status());
  if (submitted.status.ok()) {
    result.set_task_id(submitted.id.ToString());
    result.set_durability(AckLevel(submitted.durability, disk));
    result.set_existing(submitted.existing);
  }
}

}  // namespace

absl::Status Submit(Edge& edge, UnaryCall& call, v1::SubmitRequest& request) {
  const Bounds bounds = edge.bounds();
  if (absl::Status s = ValidateBatch("tasks", request.tasks_size(), 1, bounds.batch_tasks_max);
      !s.ok()) {
    return s;
  }
  BatchResponse<v1::SubmitResponse> filling;
  std::vector<broker::Request> requests;
  requests.reserve(request.tasks_size());
  SubmitReader reader;
  const int64_t wall_ms = edge.clock.WallMs();
  for (int i = 0; i < request.tasks_size(); ++i) {
    v1::SubmitResult& result = *filling.response.add_results();
    if (const absl::Status s = ValidateTask(request.tasks(i), bounds, wall_ms); !s.ok()) {
      wire::ToItem(s, request.tasks_size(), result.mutable_status());
      continue;
    }
    broker::BodyPtr body;
    engine::Submit submit = reader.Read(*request.mutable_tasks(i), body);
    submit.call = call.id();
    submit.origin = call.origin();
    submit.item = static_cast<uint64_t>(i);
    submit.id = edge.broker.NewTaskId();
    requests.push_back(ToRequest(std::move(submit), std::move(body)));
  }
  if (requests.empty()) {
    call.Reply(filling.response);
    return absl::OkStatus();
  }
  filling.unanswered = requests.size();
  const bool disk = edge.reach == store::Reach::kDisk;
  call.Expect(
      [disk, filling = std::move(filling)](UnaryCall& self, broker::Delivery& delivery) mutable {
        const auto* submitted = std::get_if<engine::Submitted>(&delivery);
        if (submitted == nullptr) return;
        Fill(*submitted, disk, filling.response);
        filling.Answered(self);
      });
  // Those that wait for room in a full queue wait no longer than the call.
  call.Park(broker::Lane::kClients);
  call.Post(broker::Lane::kClients, std::move(requests));
  return absl::OkStatus();
}

}  // namespace treadle::rpc
