#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
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
//
// Of what there may be, a connection may have as much as is still free (as Outgoing does it). While
// fewer than four of its calls are unanswered the next one finds room also when there is none, in
// half as many again: whatever others pile up, at its own address, too. gRPC may take a second to
// say that an answered one is over: of those it may have a share of what is free there.
class Calls {
 public:
  // Both outlive it.
  Calls(const Options& options, Connections& connections, const Clock& clock);

  std::shared_ptr<Client> Obtain(const std::string& peer) { return connections_.Obtain(peer); }
  // Of a call of this client, or of the server's own.
  engine::CallId NewId(const Client& client) { return NewId(client.origin.connection); }
  engine::CallId NewId() { return NewId(0); }

  // When its headers have come. RESOURCE_EXHAUSTED: a bound is reached. UNAVAILABLE: closed.
  //
  // A refused call takes as much memory as another one until its client reads why, so there is a
  // bound of refused calls, too: beyond it they are broken off, and their clients are not told why.
  // So is then the connection of whoever has many.
  absl::Status Add(const std::shared_ptr<Call>& call);
  // Also those that were refused.
  void Remove(Call& call);
  // Open at present, those that were refused left out.
  int64_t size() const;
  // Null: it is over.
  std::shared_ptr<Call> Find(engine::CallId id) const;

  // How often the pulse beats, and how often for a call that rests.
  static constexpr int64_t kBeatMs = 100;
  static constexpr int64_t kRestingBeatMs = 1'000;

  // Whose turn it is at the next beat. Streams, and unary calls that wait for their client: from
  // Add to StopBeat or Rest, and from StartBeat on, each time; those that rest each tenth time. All
  // when half of what may be is open.
  std::vector<std::shared_ptr<Call>> Beating();
  void StopBeat(const Call& call);
  void StartBeat(const std::shared_ptr<Call>& call);
  void Rest(const Call& call);
  std::vector<std::shared_ptr<Call>> All() const;

  // From now on Add refuses all but calls about the server's health; and these, too.
  void Close();
  void CloseForAll();

 private:
  // Connections are more than the numbers that calls have room for. 0 stays 0: nobody's.
  engine::CallId NewId(uint64_t client) {
    constexpr uint64_t kClients = (uint64_t{1} << (64 - engine::kCallNumberBits)) - 1;
    if (client != 0) client = (client - 1) % kClients + 1;
    return engine::CallId{(client << engine::kCallNumberBits) | ++last_id_};
  }
  absl::Status CheckOwn(const Call& call, const Client& client) const;
  absl::Status CheckRoom(const Client& client) const;
  bool FindsRoomAmongFew(const Client& client) const;
  std::vector<std::shared_ptr<Call>> AllLocked() const;
  auto& RestingWith(const Call& call) {
    return resting_[static_cast<uint64_t>(call.id()) % resting_.size()];
  }

  Connections& connections_;
  const Clock& clock_;
  const int64_t streams_per_client_max_;
  const int64_t calls_per_client_max_;
  const int64_t calls_max_;
  const int64_t calls_per_address_max_;  // the last tenth is kept for others
  const int64_t few_max_;
  const int64_t refused_max_;

  std::atomic<uint64_t> last_id_{0};
  mutable std::mutex mutex_;
  absl::flat_hash_map<engine::CallId, std::shared_ptr<Call>> calls_;
  absl::flat_hash_map<engine::CallId, std::shared_ptr<Call>> beating_;  // also in calls_
  std::array<absl::flat_hash_map<engine::CallId, std::shared_ptr<Call>>, kRestingBeatMs / kBeatMs>
      resting_;  // the same, by their numbers
  size_t next_resting_ = 0;
  absl::flat_hash_set<engine::CallId> few_;  // in calls_, of those who have few: beyond calls_max_
  absl::flat_hash_map<std::string, int64_t> by_address_;  // calls, without those
  // Not in calls_, not broken off and not over yet.
  absl::flat_hash_set<engine::CallId> refused_;
  bool closed_ = false;
  bool closed_for_all_ = false;
};

}  // namespace treadle::rpc
