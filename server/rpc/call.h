#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"

#include "server/broker/delivery.h"
#include "server/engine/types.h"
#include "server/rpc/connections.h"

namespace treadle::rpc {

class Calls;

// An open gRPC call, unary or stream, as the rest of the edge sees it. Shared by gRPC (until
// OnDone), the registry and whoever is about to tell it something; outlives its gRPC side, and then
// takes no notice of anything.
class Call : public std::enable_shared_from_this<Call> {
 public:
  // Of the connection that gRPC calls `peer`.
  Call(Calls& calls, const std::string& peer);
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  engine::CallId id() const { return id_; }
  const std::string& peer() const { return client_->peer; }
  // The connection that it came on.
  const std::shared_ptr<Client>& client() const { return client_; }
  engine::Origin origin() const { return client_->origin; }
  virtual bool is_stream() const = 0;
  // Answered also while the server is about to end.
  virtual bool is_about_health() const { return false; }

  // Something for this call, in order. Only the outbox's thread calls this and Flush.
  virtual void Deliver(broker::Delivery& delivery) = 0;
  // All that was there to deliver has been: send it.
  virtual void Flush() {}
  // And what could have waited for more.
  virtual void FlushAll() { Flush(); }

  // Ends the call with this status, after what is on its way. Any thread; the first one counts.
  virtual void End(absl::Status status) = 0;

  // Ends it without waiting for its client to read what is on its way.
  virtual void BreakOff() {}

  // About ten times a second, on the pulse's thread: streams, and unary calls whose message has not
  // come; while many calls are open all of them. Once a second for a stream that rests.
  virtual void Beat(int64_t /*now_ms*/) {}

  // Whether it counts among its client's that are not answered: from its place among the calls that
  // Calls knows until its end was handed to gRPC. Any thread.
  void BeginUnanswered();
  void Answered();

  // The store's disk has not answered for so long. Streams: once a second, on the pulse's thread.
  // Others, while they wait for it: twice a second, on the outbox's thread.
  virtual void DiskHangs(int64_t /*now_ms*/, int64_t /*hung_ms*/) {}

 private:
  const std::shared_ptr<Client> client_;
  const engine::CallId id_;
  std::atomic<bool> is_unanswered_{false};
};

// For what must not happen: logs it, and gives the INTERNAL that the client gets.
absl::Status Unexpected(const std::exception& error);

}  // namespace treadle::rpc
