#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace treadle::worker {

// Slots of a pool, and how many tasks may be fetched ahead of them. Together they are within what a
// worker may hold (limits::kHeldMax), with room to fetch ahead.
inline constexpr int kThreadsMax = 10'000;
inline constexpr int kProcessesMax = 1'000;
inline constexpr int kCoroutinesMax = 30'000;
inline constexpr int kPrefetchMax = 40'000;

// INVALID_ARGUMENT: `option` of the pool has a value that it cannot have; `choose` says which it
// can: "0 or more".
absl::Status OutOfBounds(std::string_view pool, std::string_view option, int64_t value,
                         std::string_view choose);

// What the options of every kind of pool share. OK, or OutOfBounds.
absl::Status CheckSlots(std::string_view pool, int slots, int slots_max, int64_t waiting_max);

}  // namespace treadle::worker
