#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "absl/container/flat_hash_map.h"

#include "server/engine/types.h"

namespace treadle::rpc {

class HealthStream;
class Methods;

inline constexpr char kHealthService[] = "grpc.health.v1.Health";

// Whether the server can do its work, which is so of all its services or of none. Thread-safe.
class Health {
 public:
  bool is_serving() const { return is_serving_; }
  // Tells those who watch. After End it has no effect.
  void Set(bool is_serving);
  // Not serving, for good.
  void End();

  // From now on until Leave `stream` is told of each change; it is told how it is at once.
  void Watch(const std::shared_ptr<HealthStream>& stream);
  void Leave(const HealthStream& stream);

 private:
  // REQUIRES: mutex_ is held.
  void Tell();

  std::mutex mutex_;
  std::atomic<bool> is_serving_{true};  // changed under mutex_
  bool ended_ = false;
  absl::flat_hash_map<engine::CallId, std::weak_ptr<HealthStream>> watchers_;
};

// grpc.health.v1, which gRPC's own service would serve with calls that nobody counts.
void ServeHealth(Methods& methods);

}  // namespace treadle::rpc
