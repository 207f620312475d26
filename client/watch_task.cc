#include <chrono>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/client_impl.h"
#include "client/session/reconnect_backoff.h"

#include "proto/support/task_id.h"
#include "proto/wire/status.h"
#include "treadle/timeout.h"

namespace treadle {
namespace {

using std::chrono::steady_clock;

// What one call brought: the outcome, or why there is none.
absl::StatusOr<v1::Outcome> WatchOnce(v1::TaskService::Stub& stub, grpc::ClientContext& context,
                                      const v1::WatchTaskRequest& request,
                                      absl::FunctionRef<bool(const v1::Task&)> on_change) {
  const auto reader = stub.WatchTask(&context, request);
  // `on_change` may throw.
  auto finish = absl::MakeCleanup([&] {
    context.TryCancel();
    reader->Finish();
  });
  v1::WatchTaskResponse response;
  bool stopped = false;
  absl::StatusOr<v1::Outcome> outcome = absl::UnavailableError("the watch ended early");
  while (reader->Read(&response)) {
    if (stopped) continue;
    if (response.has_task() && !on_change(response.task())) {
      stopped = true;
      context.TryCancel();
    }
    if (response.has_outcome()) outcome = std::move(*response.mutable_outcome());
  }
  std::move(finish).Cancel();
  const absl::Status status = wire::FromGrpc(reader->Finish());
  if (stopped) return absl::CancelledError("on_change asked to stop");
  if (!status.ok() && !outcome.ok()) return status;
  return outcome;
}

}  // namespace

absl::StatusOr<v1::Outcome> Client::WatchTask(std::string_view task_id,
                                              absl::FunctionRef<bool(const v1::Task&)> on_change,
                                              Timeout timeout) {
  absl::Status status = TaskId::Parse(task_id).status();
  if (!status.ok()) return status;
  v1::WatchTaskRequest request;
  request.set_task_id(std::string(task_id));
  const steady_clock::time_point deadline = DeadlineAfter(timeout);
  client::ReconnectBackoff backoff;
  steady_clock::time_point last_heard = steady_clock::now();
  while (true) {
    grpc::ClientContext context;
    if (deadline != steady_clock::time_point::max()) {
      context.set_deadline(CallDeadline(deadline - steady_clock::now()));
    }
    const client::Watches::Call call(impl_->watches, context);
    if (!call.begun()) return client::ShutDownStatus();
    bool heard = false;
    absl::StatusOr<v1::Outcome> outcome =
        WatchOnce(*impl_->tasks, context, request, [&](const v1::Task& task) {
          heard = true;
          return on_change(task);
        });
    if (!absl::IsUnavailable(outcome.status())) return outcome;
    if (heard) {
      backoff.Reset();
      last_heard = steady_clock::now();
    }
    const std::chrono::milliseconds give_up_after = impl_->options.give_up_after;
    if (give_up_after.count() > 0 && steady_clock::now() >= last_heard + give_up_after) {
      return outcome;
    }
    const steady_clock::time_point next = steady_clock::now() + backoff.Next();
    if (!impl_->watches.SleepUntil(std::min(next, deadline))) return client::ShutDownStatus();
    if (steady_clock::now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("the task has not ended within the timeout (",
                                                      outcome.status().message(),
                                                      "): watch again, or with a longer timeout"));
    }
  }
}

}  // namespace treadle
