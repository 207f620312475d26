#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// W3C trace context (https://www.w3.org/TR/trace-context/): the headers of a task that name the
// trace which it belongs to. They say who asked, not what for.
//
// The spans of a task have ids that follow from its trace and its own id: so broker and worker name
// the same span without asking each other. A span's id is the 64-bit FNV-1a hash of the text
// "<trace id> <task id> <what>". There <what> is "task", "attempt 1" (2, 3, ...), or "wait 7", with
// the token of the lease that ended it, or 0. A hash of 0 is 1.

namespace treadle {

inline constexpr std::string_view kTraceParent = "traceparent";
inline constexpr std::string_view kTraceState = "tracestate";
// What the specification asks everybody to pass on; a longer tracestate is dropped.
inline constexpr size_t kTraceStateBytesMax = 512;

constexpr bool IsTraceContext(std::string_view header) {
  return header == kTraceParent || header == kTraceState;
}

// What a traceparent says: a span, and the trace that it is of.
struct TraceContext {
  std::string trace_id;  // 32 digits in lower-case hexadecimal
  uint64_t span_id = 0;
  bool sampled = false;  // whoever began the trace keeps it

  bool operator==(const TraceContext&) const = default;
};

// Absent: it is not valid, and is to be ignored. Takes what later versions may add.
std::optional<TraceContext> ParseTraceParent(std::string_view text);
std::string FormatTraceParent(const TraceContext& context);
// 16 digits in lower-case hexadecimal.
std::string SpanIdText(uint64_t span_id);

// Of a task: its life, an attempt, a wait.
uint64_t TaskSpanId(const TraceContext& trace, std::string_view task_id);
uint64_t AttemptSpanId(const TraceContext& trace, std::string_view task_id, int32_t attempt);
uint64_t WaitSpanId(const TraceContext& trace, std::string_view task_id, uint64_t token);

// What a task that was submitted with `traceparent` gives to those whom its attempt calls. Empty:
// that one is not valid.
std::string AttemptTraceParent(std::string_view traceparent, std::string_view task_id,
                               int32_t attempt);

}  // namespace treadle
