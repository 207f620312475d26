#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

#include "proto/support/clock.h"
#include "server/engine/types.h"
#include "server/rpc/call.h"
#include "server/rpc/connections.h"
#include "server/rpc/options.h"

namespace treadle::rpc {

// Every open call by its id. Bounds how many there are, finds the one that a delivery is for, and
// ends all of them at shutdown: gRPC's own shutdown waits for ever for one that does not end.
// Thread-safe.
class Calls {
 public:
  // Both outlive it.
  Calls(const Options& options, Connections& connections, const Clock& clock);

  std::shared_ptr<Client> Obtain(const std::string& peer) { return connections_.Obtain(peer); }
  // Of a call of this client, or of the server's own.
  engine::CallId NewId(const Client& client) { return NewId(client.origin.connection); }
  engine::CallId NewId() { return NewId(0); }

  // RESOURCE_EXHAUSTED: a bound is reached. UNAVAILABLE: closed.
  absl::Status Add(const std::shared_ptr<Call>& call);
  void Remove(const Call& call);
  // Null: it is over.
  std::shared_ptr<Call> Find(engine::CallId id) const;

  std::vector<std::shared_ptr<Call>> Streams() const;
  std::vector<std::shared_ptr<Call>> All() const;

  // From now on Add refuses.
  void Close();

 private:
  // Connections are more than the numbers that calls have room for. 0 stays 0: nobody's.
  engine::CallId NewId(uint64_t client) {
    constexpr uint64_t kClients = (uint64_t{1} << (64 - engine::kCallNumberBits)) - 1;
    if (client != 0) client = (client - 1) % kClients + 1;
    return engine::CallId{(client << engine::kCallNumberBits) | ++last_id_};
  }
  absl::Status Check(const Call& call, const Client& client) const;

  Connections& connections_;
  const Clock& clock_;
  const int64_t streams_per_client_max_;
  const int64_t calls_per_client_max_;
  const int64_t calls_max_;
  const int64_t calls_per_address_max_;  // the last tenth is kept for others

  std::atomic<uint64_t> last_id_{0};
  mutable std::mutex mutex_;
  absl::flat_hash_map<engine::CallId, std::shared_ptr<Call>> calls_;
  absl::flat_hash_map<engine::CallId, std::shared_ptr<Call>> streams_;  // also in calls_
  absl::flat_hash_map<std::string, int64_t> by_address_;                // calls
  bool closed_ = false;
};

}  // namespace treadle::rpc
