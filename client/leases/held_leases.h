#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/future/callback_thread.h"
#include "client/session/watches.h"

#include "proto/support/limits.h"
#include "proto/wire/grpc_waker.h"
#include "treadle/client.h"
#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle::client {

// How long one question for a lease waits at the broker, so that a shutdown of the queue is noticed
// in time.
inline constexpr std::chrono::milliseconds kQuestionWait(1'000);

// A lease of the unary kind that this client holds, kept alive until it is ended.
class ClientLease {
 public:
  ClientLease(v1::LeasedTask task, std::chrono::milliseconds duration)
      : task_(std::move(task)), duration_(duration) {}

  const v1::LeasedTask& task() const { return task_; }
  // Requested when the lease is, or may be, no longer valid.
  std::stop_token lost() const { return lost_.get_token(); }

 private:
  friend class HeldLeases;
  using TimePoint = std::chrono::steady_clock::time_point;

  void LiveFrom(TimePoint begun_at, int64_t lease_ms) {
    const std::chrono::milliseconds life(std::clamp<int64_t>(lease_ms, 0, limits::kLeaseMsMax));
    expires_at_ = begun_at + life;
    renew_at_ = begun_at + life / 3;
  }

  const v1::LeasedTask task_;
  const std::chrono::milliseconds duration_;  // what is asked for
  std::stop_source lost_;
  // Protected by the table's lock.
  TimePoint renew_at_;
  TimePoint expires_at_;
};
using ClientLeaseRef = std::shared_ptr<ClientLease>;

// What to lease.
struct LeaseWish {
  LeaseWish(std::string queue_in, std::string type_in, std::chrono::milliseconds duration_in)
      : queue(std::move(queue_in)), type(std::move(type_in)), duration(duration_in) {}

  std::string queue;
  std::string type;
  std::chrono::milliseconds duration;  // from 1 second to 12 hours
};

// The leases that a client holds for its queues, locks and semaphores. One thread renews them, each
// at a third of its life, from the first lease on: so they last as long as this process can reach
// the broker. Their lives are counted from the question, by what the broker answers. Thread-safe.
class HeldLeases {
 public:
  // All three outlive it.
  HeldLeases(const ClientOptions& options, const std::shared_ptr<grpc::Channel>& channel,
             Watches& watches);
  ~HeldLeases();

  // Leases one task; asks again and again until `deadline`, once when that has passed. After every
  // answer that there is none yet, `idle` may put an end to it with an error.
  // NOT_FOUND with the name Empty: there was none. UNAVAILABLE: the broker was not reached in time.
  // RESOURCE_EXHAUSTED: the system has no thread left for renewals.
  absl::StatusOr<ClientLeaseRef> Take(const LeaseWish& wish,
                                      std::chrono::steady_clock::time_point deadline,
                                      absl::FunctionRef<absl::Status()> idle);
  // Asks once, waiting up to `wait` there, and calls `done` from one of gRPC's threads, or at once
  // from this one; null: there is none yet. `done` must not block. It has been destroyed when the
  // table is.
  using Done = absl::AnyInvocable<void(absl::StatusOr<ClientLeaseRef>)>;
  void TakeOnce(const LeaseWish& wish, std::chrono::milliseconds wait, Done done);

  // Reports how the attempt ended and forgets the lease. ABORTED: it was lost before.
  absl::Status End(const ClientLeaseRef& lease, v1::AttemptEnd end);
  // Hands leases back, for destructors: waits for the broker's answer for two seconds at most.
  void HandBack(const std::vector<ClientLeaseRef>& leases);
  // The same without waiting at all. Where it fails the leases expire.
  void HandBackSoon(const ClientLeaseRef& lease);

  // Hands all leases back. None can be taken afterwards: one that is on its way goes back, too.
  void Shutdown();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct TakeCall;
  struct ReportCall;

  absl::Status StartRenewals();
  void BeginCall();
  void EndCall(std::shared_ptr<void> call);
  // `begun_at`: not after the lease began at the broker, however long the answer was on its way:
  // so it is never believed in for longer than the broker does. False: nobody keeps it any more.
  bool Add(const ClientLeaseRef& lease, TimePoint begun_at);
  bool Remove(const ClientLeaseRef& lease);
  // What `done` of TakeOnce gets.
  absl::StatusOr<ClientLeaseRef> Taken(TakeCall& call, const grpc::Status& answer);
  void Renew();
  TimePoint NextRenewal() const;
  void RenewDue(std::unique_lock<std::mutex>& lock);
  void TellLost(std::vector<ClientLeaseRef> lost);
  // Reports them as handed back, in messages that the broker takes; for two seconds at most.
  void Release(const std::vector<ClientLeaseRef>& leases);
  absl::Status Report(const std::vector<ClientLeaseRef>& leases, v1::AttemptEnd end,
                      std::chrono::milliseconds timeout);

  const ClientOptions& options_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  Watches& watches_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by mutex_.
  std::vector<ClientLeaseRef> held_;
  bool closed_ = false;
  int64_t calls_ = 0;      // on gRPC's threads, under way
  std::thread thread_;     // renews; started with the first question for a lease
  wire::GrpcWaker waker_;  // its; or what `calls_` wait for would come late

  // Runs the stop callbacks of leases that were lost, which are users' code: one that blocks holds
  // up the others there, but no renewals. Made by the renewing thread with the first loss.
  std::optional<CallbackThread> losses_;

  std::mutex shutdown_mutex_;  // one Shutdown at a time
};

}  // namespace treadle::client
