#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include <grpcpp/server_builder.h>

#include "proto/support/address.h"
#include "proto/support/clock.h"
#include "server/rpc/connections.h"

namespace treadle::rpc {

// Listens, bounds how many connections there are, and hands each to gRPC.
//
// gRPC's own listener is not used: the first accept that fails for want of a descriptor
// (tcp_server_posix.cc, on_read: any error but EINTR and EAGAIN) ends it for ever, in silence, and
// it knows no bound.
class Acceptor {
 public:
  using Sink = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

  // Both outlive it.
  Acceptor(Connections& connections, const Clock& clock);
  // Stops.
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Listens on every address that the name has; port 0 becomes the one that was chosen. Nothing is
  // accepted yet. UNAVAILABLE: why not.
  absl::Status Listen(Address& address);
  // From now on connections go to `sink`. Once, after Listen and after gRPC's server has started.
  void Start(Sink sink);
  // Listens no more; nothing goes to the sink after it. Any thread; more than once is fine.
  void Stop();

 private:
  void Run();
  void AcceptSome(int listener);
  void Take(int fd);
  void Refuse(int fd, const absl::Status& why);
  void Pause(int error);

  Connections& connections_;
  const Clock& clock_;
  Sink sink_;
  std::vector<int> listeners_;
  int wake_fd_ = -1;  // readable: stop

  // The thread's own. Log lines about what goes on are a few seconds apart.
  int64_t next_word_ms_ = 0;
  int64_t refused_ = 0;  // since the last word
  bool paused_ = false;  // it cannot accept at present
  std::thread thread_;
};

}  // namespace treadle::rpc
