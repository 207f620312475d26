#pragma once

#include <string>

#include <treadle/task_type.h>

// Named as a header of Treadle's is: each must find its own.
inline constexpr treadle::TaskType<std::string(std::string, int)> kGreet{"greet"};
