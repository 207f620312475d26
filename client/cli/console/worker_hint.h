#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "client/cli/context.h"
#include "client/session/watches.h"

#include "treadle/client.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/task.pb.h"

namespace treadle::cli {

// Looks once, on a thread of its own, whether there is a worker for a task that has waited for some
// seconds, and says so if there is none: a task that no worker takes waits for ever.
class WorkerHint {
 public:
  // `latest`: the task as it was last seen. Both are called on the other thread.
  WorkerHint(const Context& context, Client& client, std::function<v1::Task()> latest,
             std::function<void(const std::string& text)> say);
  // Breaks off the question that it may be asking.
  ~WorkerHint();
  WorkerHint(const WorkerHint&) = delete;
  WorkerHint& operator=(const WorkerHint&) = delete;

 private:
  void Run();

  const Context& context_;
  Client& client_;
  const std::unique_ptr<v1::AdminService::Stub> admin_;
  Watches calls_;
  const std::function<v1::Task()> latest_;
  const std::function<void(const std::string&)> say_;
  std::thread thread_;
};

}  // namespace treadle::cli
