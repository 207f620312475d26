#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace treadle {

// Debian's abseil has a string view type of its own.
inline absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace treadle
