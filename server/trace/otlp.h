#pragma once

#include <string>
#include <string_view>

#include "absl/types/span.h"

#include "server/broker/span.h"

namespace treadle::trace {

// One line of OpenTelemetry's file exporter: an ExportTraceServiceRequest in OTLP's JSON mapping
// (https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/), with these spans. Attributes
// are those of the semantic conventions for messaging, and `treadle.` for the rest.
std::string OtlpLine(absl::Span<const broker::Span> spans, std::string_view version);

}  // namespace treadle::trace
