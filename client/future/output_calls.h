#pragma once

#include <chrono>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/timeout.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::client {

// What one reader of output asks of the broker, and its pauses in between. One thread at a time,
// but for Stop. Outlives the client.
class OutputCalls {
 public:
  virtual ~OutputCalls() = default;

  // CANCELLED, of both: Stop was called, or the client was shut down.
  virtual absl::StatusOr<v1::ReadOutputResponse> Read(const v1::ReadOutputRequest& request,
                                                      Timeout timeout) = 0;
  virtual absl::Status PauseUntil(std::chrono::steady_clock::time_point time) = 0;
  // From any thread.
  virtual void Stop() = 0;

  // Of the client's options.
  virtual std::chrono::milliseconds call_timeout() const = 0;
  virtual std::chrono::milliseconds give_up_after() const = 0;
};

}  // namespace treadle::client
