#include "client/cli/console/worker_hint.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include "client/cli/console/human.h"
#include "client/worker_check.h"
#include <fmt/format.h>

#include "proto/task/exec_task.h"
#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

// Workers that start together with the submit are there by then.
constexpr std::chrono::seconds kLookAfter{2};

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
      latest_(std::move(latest)),
      say_(std::move(say)) {
  // A system that has no thread left gets no hint.
  (void)StartThread("a hint", thread_, [this] { Run(); });
}

WorkerHint::~WorkerHint() {
  calls_.CancelAll();
  if (thread_.joinable()) thread_.join();
}

void WorkerHint::Run() {
  if (!calls_.SleepUntil(std::chrono::steady_clock::now() + kLookAfter)) return;
  const absl::StatusOr<std::vector<v1::Worker>> workers =
      AskForWorkers(*admin_, calls_, client_.options().call_timeout);
  const v1::Task task = latest_();
  if (!workers.ok() || task.state() != v1::TASK_STATE_QUEUED) return;
  const bool served = std::any_of(workers->begin(), workers->end(), [&](const v1::Worker& worker) {
    return Serves(worker, task.queue(), task.type());
  });
  if (served) return;
  say_(Printable(fmt::format(
      "no worker is connected that takes '{}' from queue '{}'; the task waits for one: {}",
      task.type(), task.queue(), Advice(context_, task))));
}

}  // namespace treadle::cli
