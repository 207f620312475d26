#include "server/broker/free_space.h"

#include "absl/strings/str_cat.h"

namespace treadle::broker {
namespace {

constexpr int64_t kAskEveryMs = 1'000;

}  // namespace

const absl::Status& FreeSpace::Check(int64_t now_ms) {
  if (now_ms < ask_at_ms_) return answer_;
  ask_at_ms_ = now_ms + kAskEveryMs;
  const int64_t bytes = store_.FreeBytes();
  answer_ = bytes >= bytes_min_
                ? absl::OkStatus()
                : absl::ResourceExhaustedError(absl::StrCat(
                      "the broker's disk is nearly full (", bytes, " bytes are free, ", bytes_min_,
                      " are kept for the outcomes of accepted tasks): try again later, or free "
                      "space on the broker's data directory"));
  return answer_;
}

}  // namespace treadle::broker
