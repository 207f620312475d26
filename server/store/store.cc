#include "server/store/store.h"

#include <limits>

namespace treadle::store {

// What follows is what a store without a disk does.

absl::Status Store::GetMany(absl::Span<const std::string> keys, VisitFound visit) {
  for (size_t i = 0; i < keys.size(); ++i) {
    const absl::StatusOr<std::string> value = Get(keys[i]);
    if (!value.ok() && !absl::IsNotFound(value.status())) return value.status();
    if (!visit(i, value.ok() ? std::optional<std::string_view>(*value) : std::nullopt)) break;
  }
  return absl::OkStatus();
}

void Store::ReadLater(Urgency, absl::AnyInvocable<void()> read) { read(); }

absl::Status Store::Scan(std::string_view begin, std::string_view end, VisitRow visit) {
  return Scan(begin, end, std::numeric_limits<size_t>::max(), visit).status();
}

}  // namespace treadle::store
