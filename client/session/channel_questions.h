#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "client/future/future_state.h"
#include "client/session/watches.h"
#include <grpcpp/grpcpp.h>

#include "treadle/client.h"
#include "treadle/v1/task_service.grpc.pb.h"

namespace treadle::client {

// Asks over a client's channel, until the client is shut down. Any thread.
class ChannelQuestions final : public TaskQuestions,
                               public std::enable_shared_from_this<ChannelQuestions> {
 public:
  ChannelQuestions(const ClientOptions& options, const std::shared_ptr<grpc::Channel>& channel);

  absl::StatusOr<bool> IsRunning(const std::string& task_id, Timeout timeout) override;
  std::unique_ptr<OutputCalls> NewOutputCalls() override;
  void SetDiskHung(std::optional<TimePoint> since) override;
  std::string DiskHungText() const override;

  // Lets go of the channel, which futures that are kept would hold, and ends what is being read.
  void Shutdown();

 private:
  class Calls;
  using Stub = std::shared_ptr<v1::TaskService::Stub>;

  // Null: shut down.
  Stub stub() const;

  static constexpr TimePoint kAnswers = TimePoint::max();

  const std::chrono::milliseconds call_timeout_;
  const std::chrono::milliseconds give_up_after_;
  std::atomic<TimePoint> disk_hung_since_ = kAnswers;
  mutable std::mutex mutex_;
  // Protected by mutex_.
  Stub stub_;
  std::set<Watches*> readers_;
};

}  // namespace treadle::client
