#include "server/broker/free_space.h"

#include "absl/strings/str_cat.h"

namespace treadle::broker {
namespace {

constexpr int64_t kAskEveryMs = 200;

}  // namespace

const absl::Status& FreeSpace::Check(int64_t now_ms) {
  if (now_ms < ask_at_ms_) return answer_;
  ask_at_ms_ = now_ms + kAskEveryMs;
  bytes_ = store_.FreeBytes();
  if (bytes_ > bytes_min_) return answer_ = absl::OkStatus();
  const bool on_disk = store_.reach() == store::Reach::kDisk;
  return answer_ = absl::ResourceExhaustedError(absl::StrCat(
             "the broker's ", on_disk ? "disk" : "memory store", " is nearly full (", bytes_,
             " bytes are free beside the store's own needs, ", bytes_min_,
             " are kept for the outcomes of accepted tasks): try again later, or ",
             on_disk
                 ? "free space on the broker's data directory"
                 : "keep outcomes for a shorter time, or raise the broker's --memory-store-max"));
}

}  // namespace treadle::broker
