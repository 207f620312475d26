#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"

namespace treadle {
class Client;
}

namespace treadle::worker {

// The client of a worker's handlers (TaskContext::client), made when the first of them asks. It is
// not looked into: the worker carries no client library. Thread-safe.
class ClientSlot {
 public:
  using Connect = std::function<absl::StatusOr<std::shared_ptr<Client>>()>;

  // `connect` may be empty: there is none.
  explicit ClientSlot(Connect connect) : connect_(std::move(connect)) {}

  // Connects, if nobody has; meanwhile others wait. Throws PermanentError: there is no `connect`;
  // std::runtime_error: it failed. The next call tries again.
  Client& Get();
  // Null: nobody has asked yet.
  Client* made() const { return made_.load(std::memory_order_acquire); }

 private:
  const Connect connect_;
  std::atomic<Client*> made_{nullptr};
  std::mutex mutex_;
  std::shared_ptr<Client> client_;  // GUARDED_BY(mutex_)
};

}  // namespace treadle::worker
