#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace treadle::program {

// The values of a list flag --label: "zone=a" is the key zone and the value a; of a key that comes
// twice the last one counts. INVALID_ARGUMENT: one is no such pair.
absl::StatusOr<std::map<std::string, std::string>> ReadLabels(
    const std::vector<std::string>& words);

}  // namespace treadle::program
