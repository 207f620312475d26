#pragma once

#include <string_view>

#include "treadle/v1/worker_service.pb.h"

namespace treadle {

// For people: "run it in processes". Of a value that this version does not know, and of none: "-".
std::string_view AdviceText(v1::HandlerAdvice advice);

}  // namespace treadle
