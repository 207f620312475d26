#include "server/rpc/outgoing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"

namespace treadle::rpc {
namespace {

using limits::kKiB;
using limits::kMiB;

// Less than a call costs anyway: their number is bounded.
constexpr int64_t kAlwaysGoBytes = 4 * kKiB;
// One message that carries a payload of the default bound.
constexpr int64_t kLittleBytes = 4 * kMiB + 256 * kKiB;

}  // namespace

absl::Status Outgoing::Take(Client& client, int64_t bytes) {
  const int64_t total = bytes_ += bytes;
  const int64_t own = client.outgoing_bytes += bytes;
  const int64_t free_for_many = bytes_max_ - bytes_max_ / 4 - (total - bytes);
  if (bytes <= kAlwaysGoBytes || own <= free_for_many ||
      (own <= kLittleBytes && total <= bytes_max_)) {
    return absl::OkStatus();
  }
  Return(client, bytes);
  return absl::ResourceExhaustedError(absl::StrCat(
      "this connection has ", own - bytes, " bytes that it has not read yet, and asks for ", bytes,
      " more, while all have ", total - bytes, " of ", bytes_max_,
      " (--outgoing-max): read faster, ask for less at a time, or raise the bound"));
}

void Outgoing::Return(Client& client, int64_t bytes) {
  client.outgoing_bytes -= bytes;
  bytes_ -= bytes;
}

int64_t Outgoing::ReadWithinMs(int64_t bytes) const {
  return std::max(read_within_ms_, bytes / read_bytes_per_ms_);
}

}  // namespace treadle::rpc
