#pragma once

#include <cstdint>

#include "treadle/task_type.h"

// What the client and the worker agree on: a name, what goes in, what comes out.
inline constexpr treadle::TaskType<int64_t(int64_t)> kSumSquares{"sum_squares"};
