#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include <sys/socket.h>

#include "server/engine/types.h"

namespace treadle::rpc {

// One client: a connection, by the name that gRPC gives its other end ("ipv4:10.0.0.7:50312").
struct Client {
  Client(std::string of_peer, uint32_t number);

  // Whether more comes on it than an idle connection's pings, and did so for a while that began
  // after `since_ms`: a message is arriving then, which gRPC shows when it is whole. It looks a few
  // times a second at most. The pulse's thread.
  bool IsArriving(int64_t since_ms, int64_t now_ms);

  const std::string peer;
  const std::string address;  // the same without the port
  // Both as the engine knows them: a number of its own, and one of its address.
  const engine::Origin origin;

  // Its socket, while it is open: -1, 0. Connections sets them.
  std::atomic<int> fd{-1};
  std::atomic<uint64_t> inode{0};

  // Open at present. Calls changes them, and a call `unanswered`.
  std::atomic<int32_t> calls{0};
  std::atomic<int32_t> unanswered{0};      // of `calls`
  std::atomic<int32_t> streams{0};         // of `calls`
  std::atomic<int32_t> few{0};             // of `calls`, beyond the bound of all
  std::atomic<int32_t> refused{0};         // not among `calls`, and not over yet
  std::atomic<int64_t> idle_since_ms{0};   // when it had a call last
  std::atomic<int64_t> outgoing_bytes{0};  // Outgoing's

 private:
  // When IsArriving looked last and the time before, and what it saw. The pulse's thread's.
  int64_t looked_at_ms_ = 0;
  int64_t looked_before_ms_ = 0;
  uint64_t received_bytes_ = 0;
  bool is_arriving_ = false;
};

// Every connection that was accepted and is not closed yet, up to a bound. At the bound those
// without an open call give way, the longest idle first: their clients connect again when they have
// something to say. No address gets the last tenth, so that nobody alone can shut out the others.
//
// gRPC does not say when it closes a connection. So each is known by its descriptor and the
// socket's inode, and looked at again when it matters. Thread-safe.
class Connections {
 public:
  explicit Connections(int64_t connections_max);

  // A connection was accepted. RESOURCE_EXHAUSTED: there is no place for it; close it. One thread,
  // which makes all of gRPC's sockets: a descriptor that is still the socket that it was is then
  // safe to break off. (One of the HTTP port's that gets the number in that moment would be broken
  // off in its place: its client asks again.)
  absl::Status Add(int fd, const sockaddr_storage& peer, int64_t now_ms);
  // The same thread. Breaks off some of the longest idle; false: none is idle.
  bool BreakIdle();

  // The client of this name. Lives as long as its connection, or somebody holds it.
  std::shared_ptr<Client> Obtain(const std::string& peer);

  // Those of Add, some of which may have been closed.
  int64_t size() const;
  // Those that are not closed. It looks at each.
  int64_t CountOpen() const;

 private:
  struct Open {
    uint64_t inode = 0;
    std::shared_ptr<Client> client;
  };

  bool IsFullFor(const std::string& address) const;
  void ForgetClosed(int64_t now_ms);
  bool BreakIdleOf(const std::string* address);
  void Forget(int fd);
  std::shared_ptr<Client> ObtainLocked(const std::string& peer);

  const int64_t connections_max_;
  const int64_t per_address_max_;

  mutable std::mutex mutex_;
  absl::flat_hash_map<int, Open> open_;  // by descriptor
  absl::flat_hash_map<std::string, int64_t> by_address_;
  absl::flat_hash_map<std::string, std::weak_ptr<Client>> clients_;  // by peer
  int64_t look_again_at_ms_ = 0;
  uint32_t clients_made_ = 0;
};

// How many bytes have come on the client's connection; absent: it is closed. Any thread.
std::optional<uint64_t> ReceivedBytes(const Client& client);

// Ends the client's connection, and with it all of its calls: their client connects again. gRPC,
// which owns it, closes it when it sees this. Any thread.
void BreakOff(const Client& client);

// The name that gRPC gives this end of a connection.
std::string PeerName(const sockaddr_storage& peer);

}  // namespace treadle::rpc
