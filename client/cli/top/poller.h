#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/top/snapshot.h"
#include "client/session/watches.h"

#include "treadle/client.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/dead_letter_service.grpc.pb.h"
#include "treadle/v1/queue_service.grpc.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"

namespace treadle::cli::top {

// The calls that make a snapshot. Thread-safe.
class Broker {
 public:
  explicit Broker(const Client& client);

  // One page of queues and workers after the other. Errors are the broker's, UNAVAILABLE or
  // DEADLINE_EXCEEDED when it cannot be reached, and CANCELLED after Cancel.
  absl::StatusOr<Snapshot> Ask(const Detail& detail);
  absl::Status SetPaused(const std::string& queue, bool paused);
  // Breaks off what is under way, and lets nothing begin any more.
  void Cancel() { calls_.CancelAll(); }

 private:
  absl::Status AskForOldest(Snapshot& snapshot);
  absl::Status AskForGroups(Snapshot& snapshot);

  const std::unique_ptr<v1::AdminService::Stub> admin_;
  const std::unique_ptr<v1::QueueService::Stub> queues_;
  const std::unique_ptr<v1::TaskService::Stub> tasks_;
  const std::unique_ptr<v1::DeadLetterService::Stub> dead_letters_;
  client::Watches calls_;
};

// Asks again and again, on a thread of its own: the next time an interval after the last answer.
class Poller {
 public:
  // `changed` is called on the other thread: something is there to be taken.
  Poller(Broker& broker, std::chrono::milliseconds interval, std::function<void()> changed);
  // Breaks off what is under way.
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // RESOURCE_EXHAUSTED: the system had no thread left.
  const absl::Status& started() const { return started_; }

  // From now on, and at once if that is another detail.
  void Set(const Detail& detail, std::chrono::milliseconds interval);
  void Do(Action action);

  // What has come since the last time.
  struct News {
    std::shared_ptr<const Snapshot> snapshot;
    std::optional<absl::Status> lost;  // the latest poll failed
    std::string said;                  // what became of an action
  };
  News Take();

 private:
  void Run();
  void Poll(const Detail& detail);
  void Carry(const Action& action);
  void Tell(const std::function<void(News&)>& news);

  Broker& broker_;
  const std::function<void()> changed_;

  std::mutex mutex_;
  std::condition_variable asked_;
  // Protected by mutex_.
  std::chrono::milliseconds interval_;
  Detail detail_;
  bool at_once_ = true;
  std::optional<Action> action_;
  bool ended_ = false;
  News news_;

  std::thread thread_;
  absl::Status started_;
};

}  // namespace treadle::cli::top
