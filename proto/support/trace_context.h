#pragma once

#include <string_view>

// W3C trace context (https://www.w3.org/TR/trace-context/): the headers of a task that name the
// trace which it belongs to. They say who asked, not what for.

namespace treadle {

inline constexpr std::string_view kTraceParent = "traceparent";
inline constexpr std::string_view kTraceState = "tracestate";

constexpr bool IsTraceContext(std::string_view header) {
  return header == kTraceParent || header == kTraceState;
}

}  // namespace treadle
