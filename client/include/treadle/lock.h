#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/client.h"
#include "treadle/milliseconds.h"
#include "treadle/timeout.h"

// Locks, semaphores and events for many processes, held by the broker's leases.
//
// A semaphore of n is a queue of n permits, each a task of type "treadle.permit". Who acquires one
// leases it; who releases it hands it back; when its holder dies, or is cut off from the broker for
// longer than the lease, the permit comes back by itself and someone else gets it.
//
// A lease can be lost while its holder still believes in it: a process that was stopped for a while
// cannot know. Permit::lost() says so as soon as this process notices, which may be too late; so
// what the lock protects should check Permit::token(): tokens of one broker grow with every lease,
// also across its restarts and without its store (unless its machine's clock is set back: see
// proto/treadle/v1/worker_service.proto), and a resource that remembers the greatest token it has
// seen, and refuses smaller ones, is never changed by a holder that was overtaken.
//
// The queue of a semaphore or event is not for anything else: purging or deleting it takes permits
// away from everyone.

namespace treadle {

namespace client {
class ClientLease;
}  // namespace client

struct LockOptions {
  LockOptions() {}

  // How long a permit stays away when its holder is gone. Renewed by itself, every third of this,
  // while the holder lives. From 1 second to 12 hours.
  Milliseconds lease{10'000};
};

// The right that Acquire gave. Released when it is destroyed, which waits for the broker's answer
// for two seconds at most. The client outlives it. One thread at a time, but for lost().
class [[nodiscard]] Permit {
 public:
  Permit(Permit&& other) noexcept = default;
  Permit& operator=(Permit&& other) noexcept;
  ~Permit();

  // The fencing number, from 1.
  uint64_t token() const;
  // A stop is requested when the lease is, or may be, lost. Callbacks of all permits of a client
  // run on one thread: one that blocks keeps the others from learning of their loss.
  std::stop_token lost() const;
  // Gives it back. ABORTED: the lease was lost before, so what was done since may have overlapped
  // with another holder. FAILED_PRECONDITION: it was released already.
  absl::Status Release();

 private:
  friend class Semaphore;
  Permit(Client& client, std::shared_ptr<client::ClientLease> lease)
      : client_(&client), lease_(std::move(lease)) {}

  Client* client_;
  std::shared_ptr<client::ClientLease> lease_;  // null: released, or moved from
};

// At most `value` holders at a time. A handle, thread-safe. The client outlives it.
class Semaphore {
 public:
  // Makes it when it is not there. ALREADY_EXISTS: it is there with another value.
  // FAILED_PRECONDITION: permits of it were taken away, as by purging its queue. From 1.
  static absl::StatusOr<Semaphore> Open(Client& client, std::string_view name, int64_t value,
                                        LockOptions options = LockOptions());

  // Waits for a permit. Who waits is served in turn, as a rule; an Acquire that was cut off lines
  // up again. DEADLINE_EXCEEDED: there was none in time.
  absl::StatusOr<Permit> Acquire(bool blocking = true, Timeout timeout = kForever);

  // How many permits nobody has; others may change that at once.
  absl::StatusOr<int64_t> Free();

 private:
  Semaphore(Client& client, std::string name, LockOptions options);

  Client* client_;
  std::string name_;
  LockOptions options_;
};

// One holder at a time. It knows no owner: who has the permit may release it, and acquiring it
// twice in one thread waits for oneself.
class Lock {
 public:
  static absl::StatusOr<Lock> Open(Client& client, std::string_view name,
                                   LockOptions options = LockOptions());

  absl::StatusOr<Permit> Acquire(bool blocking = true, Timeout timeout = kForever) {
    return semaphore_.Acquire(blocking, timeout);
  }
  absl::StatusOr<bool> Locked();

 private:
  explicit Lock(Semaphore semaphore) : semaphore_(std::move(semaphore)) {}

  Semaphore semaphore_;
};

// A flag that many wait for, false at first. It is a queue that has a task while the flag is set:
// who waits leases that task for a moment and hands it on. A handle, thread-safe. The client
// outlives it.
class Event {
 public:
  static absl::StatusOr<Event> Open(Client& client, std::string_view name);

  absl::Status Set();
  absl::Status Clear();
  absl::StatusOr<bool> IsSet();
  // DEADLINE_EXCEEDED: it was not set in time. Many waiters learn of it one after the other, a
  // round trip each; one that dies just then holds up the others by a second.
  absl::Status Wait(Timeout timeout = kForever);

 private:
  Event(Client& client, std::string name) : client_(&client), name_(std::move(name)) {}
  absl::StatusOr<v1::ListTasksResponse> Tasks();

  Client* client_;
  std::string name_;
};

}  // namespace treadle
