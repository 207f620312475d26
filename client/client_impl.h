#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "client/client.h"
#include "client/session.h"
#include <grpcpp/grpcpp.h>

#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/queue_service.grpc.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"

namespace treadle {

// The WatchTask calls under way, so that Shutdown can end them.
class Watches {
 public:
  // False: shut down, the call must not begin.
  bool Begin(grpc::ClientContext& context);
  void End(grpc::ClientContext& context);
  void CancelAll();
  // False: shut down meanwhile.
  bool SleepUntil(std::chrono::steady_clock::time_point time);

 private:
  std::mutex mutex_;
  // Protected by mutex_.
  std::set<grpc::ClientContext*> contexts_;
  bool closed_ = false;
  std::condition_variable changed_;
};

struct Client::Impl {
  explicit Impl(ClientOptions options_in);

  const ClientOptions options;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::TaskService::Stub> tasks;
  const std::unique_ptr<v1::QueueService::Stub> queues;
  const std::unique_ptr<v1::AdminService::Stub> admin;
  Watches watches;
  Session session;
};

}  // namespace treadle
