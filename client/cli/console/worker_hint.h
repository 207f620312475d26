#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "client/session/watches.h"

#include "treadle/client.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/task.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"

namespace treadle::cli {

// While a command waits for a task, looks every few seconds, on a thread of its own, whether there
// is a worker for it, and says once that there is none: a task that no worker takes waits for ever.
class WorkerHint {
 public:
  // `latest`: the task as it was last seen; one with an id and no state is asked for. Both are
  // called on the other thread.
  WorkerHint(const Context& context, Client& client, std::function<v1::Task()> latest,
             std::function<void(const std::string& text)> say);
  // Breaks off the question that it may be asking.
  ~WorkerHint();
  WorkerHint(const WorkerHint&) = delete;
  WorkerHint& operator=(const WorkerHint&) = delete;

 private:
  void Run();
  // The task that waits while no worker takes it. None: it does not, or the broker did not answer.
  std::optional<v1::Task> Unserved();
  absl::StatusOr<v1::Task> AskForTask(const std::string& id);

  const Context& context_;
  Client& client_;
  const std::unique_ptr<v1::AdminService::Stub> admin_;
  const std::unique_ptr<v1::TaskService::Stub> tasks_;
  client::Watches calls_;
  const std::function<v1::Task()> latest_;
  const std::function<void(const std::string&)> say_;
  std::thread thread_;
};

}  // namespace treadle::cli
