#include "worker/pool/pool_bounds.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace treadle::worker {

absl::Status OutOfBounds(std::string_view pool, std::string_view option, int64_t value,
                         std::string_view choose) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(option), " is ", value, " in pool '",
                                                 std::string(pool), "': choose ",
                                                 std::string(choose)));
}

absl::Status CheckSlots(std::string_view pool, int slots, int slots_max, int64_t waiting_max) {
  if (slots < 1 || slots > slots_max) {
    return OutOfBounds(pool, "slots", slots, absl::StrCat("1 to ", slots_max));
  }
  if (waiting_max < 0) return OutOfBounds(pool, "waiting_max", waiting_max, "0 or more");
  return absl::OkStatus();
}

}  // namespace treadle::worker
