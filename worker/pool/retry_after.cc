#include "treadle/retry_after.h"

#include <cstdint>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace treadle {
namespace {

constexpr char kDelay[] = "treadle.retry_after_ms";

}  // namespace

absl::Status RetryAfter(absl::Status status, Milliseconds delay) {
  status.SetPayload(kDelay, absl::Cord(absl::string_view(absl::StrCat(delay.count()))));
  return status;
}

std::optional<Milliseconds> RetryAfterOf(const absl::Status& status) {
  const absl::optional<absl::Cord> delay = status.GetPayload(kDelay);
  int64_t ms = 0;
  if (!delay || !absl::SimpleAtoi(std::string(*delay), &ms)) return std::nullopt;
  return Milliseconds(ms);
}

}  // namespace treadle
