#include "server/trace/otlp.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/support/trace_context.h"

namespace treadle::trace {
namespace {

using Json = nlohmann::ordered_json;
using broker::Span;
using engine::TaskState;

// SpanKind and StatusCode of opentelemetry/proto/trace/v1/trace.proto.
constexpr int kInternal = 1;
constexpr int kConsumer = 5;
constexpr int kStatusOk = 1;
constexpr int kStatusError = 2;

// 64-bit integers are strings in the mapping.
std::string Nanos(int64_t ms) { return absl::StrCat(ms, "000000"); }

std::string_view OutcomeOf(TaskState state) {
  switch (state) {
    case TaskState::kSucceeded:
      return "succeeded";
    case TaskState::kFailed:
      return "failed";
    case TaskState::kCancelled:
      return "cancelled";
    default:
      return "expired";
  }
}

class Attributes {
 public:
  void Add(std::string_view key, std::string_view value) {
    all_.push_back({{"key", key}, {"value", {{"stringValue", value}}}});
  }
  void Add(std::string_view key, int64_t value) {
    all_.push_back({{"key", key}, {"value", {{"intValue", std::to_string(value)}}}});
  }
  Json Take() { return std::move(all_); }

 private:
  Json all_ = Json::array();
};

std::string NameOf(const Span& span) {
  switch (span.kind) {
    case Span::Kind::kTask:
      return absl::StrCat("task ", *span.traced->queue);
    case Span::Kind::kWait:
      return absl::StrCat("queued ", *span.traced->queue);
    default:
      return absl::StrCat("process ", *span.traced->queue);
  }
}

uint64_t IdOf(const Span& span, const std::string& task_id) {
  const TraceContext& trace = span.traced->parent;
  switch (span.kind) {
    case Span::Kind::kTask:
      return TaskSpanId(trace, task_id);
    case Span::Kind::kWait:
      return WaitSpanId(trace, task_id, static_cast<uint64_t>(span.token));
    default:
      return AttemptSpanId(trace, task_id, span.attempt);
  }
}

Json AttributesOf(const Span& span, const std::string& task_id) {
  Attributes attributes;
  attributes.Add("messaging.system", "treadle");
  attributes.Add("messaging.destination.name", *span.traced->queue);
  attributes.Add("messaging.message.id", task_id);
  attributes.Add("treadle.task.type", *span.traced->type);
  if (span.kind == Span::Kind::kWait) return attributes.Take();
  if (span.kind == Span::Kind::kAttempt) {
    attributes.Add("messaging.operation.type", "process");
    attributes.Add("messaging.operation.name", "process");
    attributes.Add("treadle.attempt", int64_t{span.attempt});
    if (span.worker != nullptr) attributes.Add("treadle.worker", *span.worker);
  } else {
    attributes.Add("treadle.attempts", int64_t{span.attempt});
  }
  attributes.Add("treadle.outcome", OutcomeOf(span.outcome));
  if (!span.error_type.empty()) attributes.Add("error.type", span.error_type);
  return attributes.Take();
}

Json StatusOf(const Span& span) {
  if (span.kind == Span::Kind::kWait) return Json::object();
  if (span.outcome == TaskState::kSucceeded) return {{"code", kStatusOk}};
  return {{"code", kStatusError}, {"message", span.error_message}};
}

Json ToJson(const Span& span) {
  const std::string task_id = span.task.ToString();
  const TraceContext& parent = span.traced->parent;
  const bool whole = span.kind == Span::Kind::kTask;
  Json json;
  json["traceId"] = parent.trace_id;
  json["spanId"] = SpanIdText(IdOf(span, task_id));
  if (!span.traced->state.empty()) json["traceState"] = span.traced->state;
  json["parentSpanId"] = SpanIdText(whole ? parent.span_id : TaskSpanId(parent, task_id));
  json["name"] = NameOf(span);
  json["kind"] = span.kind == Span::Kind::kAttempt ? kConsumer : kInternal;
  json["startTimeUnixNano"] = Nanos(span.begin_ms);
  json["endTimeUnixNano"] = Nanos(span.end_ms);
  json["attributes"] = AttributesOf(span, task_id);
  json["status"] = StatusOf(span);
  return json;
}

}  // namespace

std::string OtlpLine(absl::Span<const Span> spans, std::string_view version) {
  Attributes resource;
  resource.Add("service.name", "treadle-server");
  resource.Add("service.version", version);
  Json all = Json::array();
  for (const Span& span : spans) all.push_back(ToJson(span));
  Json scope;
  scope["scope"] = {{"name", "treadle"}, {"version", version}};
  scope["spans"] = std::move(all);
  Json request;
  request["resource"]["attributes"] = resource.Take();
  request["scopeSpans"] = Json::array({std::move(scope)});
  Json line;
  line["resourceSpans"] = Json::array({std::move(request)});
  return absl::StrCat(line.dump(-1, ' ', false, Json::error_handler_t::replace), "\n");
}

}  // namespace treadle::trace
