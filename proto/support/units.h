#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Durations and sizes as people write them in flags, config files and filters.

namespace treadle {

// "500ms", "30s", "5m", "1h30m", "7d", "1.5s"; "0" needs no unit. INVALID_ARGUMENT otherwise, with
// an example in the message. Negative durations are refused.
absl::StatusOr<int64_t> ParseDurationMs(std::string_view text);
// The shortest of those forms: 90'000 is "1m30s".
std::string FormatDurationMs(int64_t duration_ms);

// "512", "64KiB", "4MiB", "1GiB", "1TiB", "1.5MiB", and the decimal "kB", "MB", "GB", "TB".
absl::StatusOr<int64_t> ParseSizeBytes(std::string_view text);
// "4MiB" where it is whole, plain bytes otherwise.
std::string FormatSizeBytes(int64_t bytes);

}  // namespace treadle
