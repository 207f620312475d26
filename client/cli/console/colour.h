#pragma once

#include <string>

namespace treadle::cli {

// `text` in the colour of the state that `state` names ("FAILED", "paused"); a state without a
// colour leaves it as it is.
std::string PaintState(const std::string& state, const std::string& text);

enum class Style { kBold, kDim, kReverse, kGreen, kYellow, kRed };
std::string Paint(Style style, const std::string& text);

}  // namespace treadle::cli
