#pragma once

#include <string>
#include <vector>

#include "server/engine/types.h"

namespace treadle::engine {

// What is kept of a task's attempts that failed: the first 3 and the last 5. The latest one's
// message is cut to 1 KiB, those before it to 256 bytes.
void AddTo(std::vector<FailedAttempt>& history, FailedAttempt latest);

// Cut to so many bytes at most, not within a UTF-8 character.
std::string Cut(std::string text, size_t bytes_max);

inline constexpr size_t kLatestMessageBytes = 1024;

}  // namespace treadle::engine
