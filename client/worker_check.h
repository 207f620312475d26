#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/session/watches.h"

#include "treadle/client.h"
#include "treadle/timeout.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/queue_service.grpc.pb.h"

namespace treadle::client {

class Session;

// It is connected, does not drain, and takes tasks of the type from the queue.
bool Serves(const v1::Worker& worker, const std::string& queue, const std::string& type);

// Client::ListWorkers, which CancelAll of `calls` breaks off.
absl::StatusOr<std::vector<v1::Worker>> AskForWorkers(v1::AdminService::Stub& admin, Watches& calls,
                                                      Timeout call_timeout);

// Looks, on a thread of its own, whether there are workers for an executor's tasks, and gives up
// those for which there were none for too long.
//
// A type is served while a connected worker that does not drain takes it from the queue, or while
// any task of the queue runs or ends: so that workers of the unary calls, which are in no list,
// count while they work. While the broker cannot be asked everything counts as served, and so it
// does for some seconds afterwards, in which workers find it again.
class WorkerCheck {
 public:
  // `client` and `session` outlive it.
  WorkerCheck(Client& client, Session& session, std::string queue,
              std::chrono::milliseconds broken_after);
  // Breaks off the question that it is asking.
  ~WorkerCheck();

  // The group for futures of a type; the error that they ended with when it is given up.
  // RESOURCE_EXHAUSTED: the system had no thread left for the check.
  absl::StatusOr<uint32_t> GroupOf(std::string_view type);
  std::vector<uint32_t> Groups();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Type {
    uint32_t group = 0;
    TimePoint served_at;
    std::optional<absl::Status> broken;
  };
  // What the broker says now.
  struct Survey {
    bool unknown = false;  // it could not be asked
    bool working = false;  // tasks of the queue run, or have ended since the last time
    std::vector<v1::Worker> workers;
  };

  void Run();
  void Look();
  Survey Ask();
  absl::StatusOr<v1::Queue> AskForQueue();
  bool IsServed(const Survey& survey, const std::string& type) const;

  const ClientOptions& client_options_;
  const std::unique_ptr<v1::AdminService::Stub> admin_;
  const std::unique_ptr<v1::QueueService::Stub> queues_;
  Watches calls_;
  Session& session_;
  const std::string queue_;
  const std::chrono::milliseconds broken_after_;

  int64_t ended_total_ = -1;  // the thread's alone

  std::mutex mutex_;
  std::condition_variable stop_;
  // Protected by mutex_.
  std::map<std::string, Type, std::less<>> types_;
  bool stopping_ = false;

  std::thread thread_;
  absl::Status started_;
};

}  // namespace treadle::client
