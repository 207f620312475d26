#pragma once

#include <functional>
#include <map>
#include <string>

namespace treadle {

// What travels with a task beside its payload, from who submits it to its handler: trace context,
// say. At most 64 entries and 16 KiB together.
using Headers = std::map<std::string, std::string, std::less<>>;

}  // namespace treadle
