#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

namespace treadle::client {

// Of what a client's Shutdown ended.
absl::Status ShutDownStatus();

// The calls and waits of a thread, or of several, so that whoever ends them can: a client's
// Shutdown, the destructor of what asks on a thread of its own.
class Watches {
 public:
  // A call that is under way while this lives.
  class Call {
   public:
    Call(Watches& watches, grpc::ClientContext& context)
        : watches_(watches), context_(context), begun_(watches.Begin(context)) {}
    ~Call() {
      if (begun_) watches_.End(context_);
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // False: shut down, the call must not begin.
    bool begun() const { return begun_; }

   private:
    Watches& watches_;
    grpc::ClientContext& context_;
    const bool begun_;
  };

  // False: shut down, the call must not begin.
  bool Begin(grpc::ClientContext& context);
  void End(grpc::ClientContext& context);
  void CancelAll();
  bool ended() const;
  // False: shut down meanwhile.
  bool SleepUntil(std::chrono::steady_clock::time_point time);

 private:
  mutable std::mutex mutex_;
  // Protected by mutex_.
  std::set<grpc::ClientContext*> contexts_;
  bool closed_ = false;
  std::condition_variable changed_;
};

}  // namespace treadle::client
