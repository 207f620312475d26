#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace treadle::rpc {

class HealthStream;
class Methods;

inline constexpr char kHealthService[] = "grpc.health.v1.Health";

// Whether the server can do its work, which is so of all its services or of none. Thread-safe.
class Health {
 public:
  bool is_serving() const;
  // Tells those who watch. After End it has no effect.
  void Set(bool is_serving);
  // Not serving, for good.
  void End();

  // From now on `stream` is told of each change; it is told how it is at once.
  void Watch(std::weak_ptr<HealthStream> stream);

 private:
  // REQUIRES: mutex_ is held.
  void Tell();

  mutable std::mutex mutex_;
  bool is_serving_ = true;
  bool ended_ = false;
  std::vector<std::weak_ptr<HealthStream>> watchers_;
};

// grpc.health.v1, which gRPC's own service would serve with calls that nobody counts.
void ServeHealth(Methods& methods);

}  // namespace treadle::rpc
