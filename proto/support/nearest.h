#pragma once

#include <string_view>
#include <vector>

namespace treadle {

// The one of `names` that somebody who wrote `word` may have meant; empty: none is near. For
// messages: "there is no field 'stat': did you mean 'state'?". Cost: the product of their lengths,
// so `word` should be short.
std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& names);

}  // namespace treadle
