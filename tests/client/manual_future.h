#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "client/future/future_state.h"

#include "treadle/future.h"

namespace treadle::test {

// A future that a test ends, in place of a client. One thread ends it.
template <typename T>
class ManualFuture {
 public:
  ManualFuture() : home_(std::make_unique<Home>()), state_(new client::FutureState(home_.get())) {}
  ManualFuture(ManualFuture&&) noexcept = default;
  // As a client's futures do, it ends with its client at the latest.
  ~ManualFuture() {
    if (state_ && !state_->IsDone()) Fail(absl::AbortedError("the test is over"));
  }

  Future<T> future() const { return Future<T>(state_); }
  const client::FutureStateRef& state() const { return state_; }
  bool cancelled() const { return home_->cancels > 0; }

  void Succeed(const std::string& json) {
    state_->result = json;
    End();
  }
  void Fail(absl::Status status) {
    state_->status = std::move(status);
    End();
  }

 private:
  struct Home final : client::FutureHome {
    void RequestCancel(client::FutureStateRef) override { ++cancels; }
    void RequestAnswer() override {}

    std::atomic<int> cancels = 0;
  };

  // Callbacks run here.
  void End() {
    client::Wakeups wakeups;
    state_->PublishDone(wakeups);
    wakeups.WakePoints();
    for (absl::AnyInvocable<void()>& callback : wakeups.callbacks) callback();
  }

  std::unique_ptr<Home> home_;
  client::FutureStateRef state_;
};

}  // namespace treadle::test
