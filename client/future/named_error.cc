#include "treadle/named_error.h"

#include "absl/strings/cord.h"

#include "proto/support/text.h"

namespace treadle {
namespace {

constexpr char kNamePayload[] = "treadle/error_name";

bool HasName(const absl::Status& status, std::string_view name) {
  const absl::optional<absl::Cord> found = status.GetPayload(kNamePayload);
  return found.has_value() && *found == Absl(name);
}

}  // namespace

absl::Status Named(absl::Status status, std::string_view name) {
  status.SetPayload(kNamePayload, absl::Cord(Absl(name)));
  return status;
}

bool IsBrokenPool(const absl::Status& status) { return HasName(status, error_name::kBrokenPool); }
bool IsFull(const absl::Status& status) { return HasName(status, error_name::kFull); }
bool IsEmpty(const absl::Status& status) { return HasName(status, error_name::kEmpty); }
bool IsShutDown(const absl::Status& status) { return HasName(status, error_name::kShutDown); }

}  // namespace treadle
