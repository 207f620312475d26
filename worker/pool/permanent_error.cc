#include "treadle/permanent_error.h"

#include "absl/strings/cord.h"

namespace treadle {
namespace {

constexpr char kPermanentMark[] = "treadle.permanent";

}  // namespace

absl::Status Permanent(absl::Status status) {
  status.SetPayload(kPermanentMark, absl::Cord());
  return status;
}

bool IsPermanent(const absl::Status& status) {
  return status.GetPayload(kPermanentMark).has_value();
}

}  // namespace treadle
