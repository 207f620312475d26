#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/broker/delivery.h"
#include "server/rpc/options.h"
#include "server/store/store.h"

namespace treadle::rpc {

// What the edge holds at present.
struct Figures {
  int64_t calls = 0;
  int64_t connections = 0;
  int64_t outgoing_bytes = 0;  // sent and not read yet: see Outgoing
  int64_t disk_hung_ms = 0;    // for how long the disk has not answered; 0: it does
};

// The broker's gRPC edge: validates and converts what clients and workers send, posts it to the
// broker, and brings them what the broker says. Serves treadle.v1, health and reflection.
//
// Order of life: Server, Broker (with outbox()), Broker::Recover, Start, Broker::Run on a thread;
// StopAccepting, Broker::Stop and the end of Run, Stop. StopAccepting may come from any thread.
class Server {
 public:
  // `clock` outlives the server.
  Server(Options options, const Clock& clock);
  // Stops if that was not done. The broker must still be there, and not run any more.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // For the broker; valid as long as the server.
  broker::Outbox& outbox();

  // Listens on Options::listen. Once. An error says what is wrong with the address: in use, not
  // ours, not an address.
  absl::Status Start(broker::Intake& broker, const store::Store& store);
  // Where it listens, after Start: "127.0.0.1:7733", with the port that was chosen for port 0.
  std::string address() const;
  int port() const;

  // A channel to this server within the process, for those who speak gRPC for others. After Start;
  // calls on it end with Stop, as all do, and it may live longer. Any thread.
  std::shared_ptr<grpc::Channel> NewChannel(const grpc::ChannelArguments& arguments);

  // Any thread, from Start to Stop.
  rpc::Figures Figures() const;
  // Timers of open calls. For tests.
  size_t timers() const;

  // From now on calls are refused with UNAVAILABLE, and health says NOT_SERVING. Open calls go on.
  void StopAccepting();
  // After the broker has stopped: what it released is sent, then every open call is ended with
  // UNAVAILABLE. Takes seconds at most, however unwilling the clients are.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treadle::rpc
