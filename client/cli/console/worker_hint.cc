#include "client/cli/console/worker_hint.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include "client/cli/console/human.h"
#include "client/session/watched_call.h"
#include "client/worker_check.h"
#include <fmt/format.h>

#include "proto/task/exec_task.h"
#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

// Workers that start together with the submit are there by then.
constexpr std::chrono::seconds kFirstLook{2};
// Longer than workers take to find a broker again that was restarted.
constexpr std::chrono::seconds kWorkerLookEvery{10};

std::string Advice(const Context& context, const v1::Task& task) {
  const std::string_view type = task.type();
  if (type.substr(0, exec::kTypePrefix.size()) != exec::kTypePrefix) {
    return "start one that handles it";
  }
  return fmt::format(
      "start one with: treadle-worker --queue {} --allow-exec {}{}", ShellWord(task.queue()),
      ShellWord(std::string(type.substr(exec::kTypePrefix.size()))), context.BrokerFlag());
}

}  // namespace

WorkerHint::WorkerHint(const Context& context, Client& client, std::function<v1::Task()> latest,
                       std::function<void(const std::string&)> say)
    : context_(context),
      client_(client),
      admin_(v1::AdminService::NewStub(client.channel())),
      tasks_(v1::TaskService::NewStub(client.channel())),
      latest_(std::move(latest)),
      say_(std::move(say)) {
  // A system that has no thread left gets no hint.
  (void)internal::StartThread("a hint", thread_, [this] { Run(); });
}

WorkerHint::~WorkerHint() {
  calls_.CancelAll();
  if (thread_.joinable()) thread_.join();
}

// After the first look only what stays so from one to the next is told: a broker that has just been
// restarted has no worker yet.
void WorkerHint::Run() {
  bool told_when_seen = true;
  for (auto wait = kFirstLook; calls_.SleepUntil(std::chrono::steady_clock::now() + wait);
       wait = kWorkerLookEvery) {
    const std::optional<v1::Task> task = Unserved();
    if (task.has_value() && told_when_seen) {
      return say_(Printable(fmt::format(
          "no worker is connected that takes '{}' from queue '{}'; the task waits for one: {}",
          task->type(), task->queue(), Advice(context_, *task))));
    }
    told_when_seen = task.has_value();
  }
}

std::optional<v1::Task> WorkerHint::Unserved() {
  const absl::StatusOr<std::vector<v1::Worker>> workers =
      AskForWorkers(*admin_, calls_, client_.options().call_timeout);
  if (!workers.ok()) return std::nullopt;
  absl::StatusOr<v1::Task> task = latest_();
  if (task->state() == v1::TASK_STATE_UNSPECIFIED && !task->task_id().empty()) {
    task = AskForTask(task->task_id());
  }
  if (!task.ok() || task->state() != v1::TASK_STATE_QUEUED) return std::nullopt;
  const bool served = std::any_of(workers->begin(), workers->end(), [&](const v1::Worker& worker) {
    return client::Serves(worker, task->queue(), task->type());
  });
  return served ? std::nullopt : std::optional(*std::move(task));
}

absl::StatusOr<v1::Task> WorkerHint::AskForTask(const std::string& id) {
  v1::GetTaskRequest request;
  request.set_task_id(id);
  absl::StatusOr<v1::GetTaskResponse> response = client::WatchedCall(
      calls_, client_.options().call_timeout, *tasks_, &v1::TaskService::Stub::GetTask, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_task());
}

}  // namespace treadle::cli
