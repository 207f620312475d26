#pragma once

#include <memory>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/executor.h"
#include "treadle/future.h"
#include "treadle/submit_options.h"
#include "treadle/timeout.h"

namespace treadle::internal {

// A submit whose caller waits for room in the client's window without a thread for it. One thread
// at a time.
class Submission {
 public:
  // `own`: null for the executor's own options.
  Submission(const Executor& executor, const SubmitOptions* own, std::string_view type,
             absl::StatusOr<Payload> payload);
  // What was not sent leaves the line, or gives its room back.
  ~Submission();
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;

  // Calls `then` once, when there is room, or when there is nothing to wait for; at once, or later
  // on the client's callback thread. Who came first is served first. Once.
  void WhenRoom(absl::AnyInvocable<void()> then);
  // How long the client's options let a submit wait.
  Timeout patience() const;

  // After `then` was called.
  client::FutureStateRef Send();
  // In its place.
  client::FutureStateRef NoRoom();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace treadle::internal
