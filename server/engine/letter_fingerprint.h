#pragma once

#include <cstdint>
#include <string_view>

#include "server/engine/types.h"

namespace treadle::engine {

// The group of what did not find room in one of its own.
inline constexpr uint64_t kOtherLetters = 0;

// The same for tasks of one type that fail for one reason: with an error of one type, whose
// messages agree in their first line, up to 256 bytes, but for words with a digit in them. ("user
// 17 not found in db-3.local" is "user 18 not found in db-4.local".) Never kOtherLetters. It is
// stored: another rule would make other groups of the same errors.
uint64_t FingerprintOf(std::string_view task_type, const TaskError& error);

}  // namespace treadle::engine
