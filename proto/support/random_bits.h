#pragma once

#include <cstdint>

namespace treadle {

// 64 bits that nobody can foretell, from the operating system. Any thread.
uint64_t RandomBits();

}  // namespace treadle
