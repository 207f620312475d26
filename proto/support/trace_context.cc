#include "proto/support/trace_context.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "proto/support/text.h"

namespace treadle {
namespace {

// "00-<32 digits>-<16 digits>-<2 digits>".
constexpr size_t kTraceIdAt = 3;
constexpr size_t kSpanIdAt = 36;
constexpr size_t kFlagsAt = 53;
constexpr size_t kBytes = 55;
constexpr uint64_t kSampled = 1;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// REQUIRES: it is hexadecimal, of 16 digits at most.
uint64_t HexValue(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    value = value << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return value;
}

uint64_t SpanId(const TraceContext& trace, std::string_view task_id, std::string_view what) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : absl::StrCat(trace.trace_id, " ", Absl(task_id), " ", Absl(what))) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  return std::max<uint64_t>(1, hash);
}

}  // namespace

std::optional<TraceContext> ParseTraceParent(std::string_view text) {
  if (text.size() < kBytes) return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace_id = text.substr(kTraceIdAt, 32);
  const std::string_view span_id = text.substr(kSpanIdAt, 16);
  const std::string_view flags = text.substr(kFlagsAt, 2);
  const bool has_dashes = text[2] == '-' && text[35] == '-' && text[52] == '-';
  if (!has_dashes || !IsHex(version) || !IsHex(trace_id) || !IsHex(span_id) || !IsHex(flags)) {
    return std::nullopt;
  }
  if (version == "ff" || (version == "00" && text.size() > kBytes)) return std::nullopt;
  if (text.size() > kBytes && text[kBytes] != '-') return std::nullopt;
  const bool has_trace = trace_id.find_first_not_of('0') != std::string_view::npos;
  const uint64_t span = HexValue(span_id);
  if (!has_trace || span == 0) return std::nullopt;
  return TraceContext{std::string(trace_id), span, (HexValue(flags) & kSampled) != 0};
}

std::string FormatTraceParent(const TraceContext& context) {
  return absl::StrCat("00-", context.trace_id, "-", SpanIdText(context.span_id), "-",
                      context.sampled ? "01" : "00");
}

std::string SpanIdText(uint64_t span_id) {
  return absl::StrCat(absl::Hex(span_id, absl::kZeroPad16));
}

uint64_t TaskSpanId(const TraceContext& trace, std::string_view task_id) {
  return SpanId(trace, task_id, "task");
}

uint64_t AttemptSpanId(const TraceContext& trace, std::string_view task_id, int32_t attempt) {
  return SpanId(trace, task_id, absl::StrCat("attempt ", attempt));
}

uint64_t WaitSpanId(const TraceContext& trace, std::string_view task_id, uint64_t token) {
  return SpanId(trace, task_id, absl::StrCat("wait ", token));
}

std::string AttemptTraceParent(std::string_view traceparent, std::string_view task_id,
                               int32_t attempt) {
  std::optional<TraceContext> trace = ParseTraceParent(traceparent);
  if (!trace.has_value()) return "";
  trace->span_id = AttemptSpanId(*trace, task_id, attempt);
  return FormatTraceParent(*trace);
}

}  // namespace treadle
