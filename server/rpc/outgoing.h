#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"

#include "server/rpc/connections.h"
#include "server/rpc/options.h"

namespace treadle::rpc {

// What was sent to clients that have not read it yet: one sum over all calls. A connection may have
// as much of it as is still free, so that whoever comes later always finds room; the last quarter
// is for those who have little. (The dynamic threshold of shared switch buffers: Choudhury and
// Hahne, 1998.) Thread-safe.
class Outgoing {
 public:
  explicit Outgoing(const Options& options)
      : bytes_max_(options.outgoing_bytes_sum_max),
        read_within_ms_(options.read_within_ms),
        read_bytes_per_ms_(options.read_bytes_per_ms) {}

  // RESOURCE_EXHAUSTED, and nothing was taken: the connection has too much. Small answers always
  // go.
  absl::Status Take(Client& client, int64_t bytes);
  void Return(Client& client, int64_t bytes);

  // How long a message of so many bytes may take to be read; longer on a slow link if it is large.
  int64_t ReadWithinMs(int64_t bytes) const;

  int64_t bytes() const { return bytes_; }

 private:
  const int64_t bytes_max_;
  const int64_t read_within_ms_;
  const int64_t read_bytes_per_ms_;
  std::atomic<int64_t> bytes_{0};
};

}  // namespace treadle::rpc
