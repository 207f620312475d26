#include "server/rpc/submit_reader.h"

#include <algorithm>
#include <optional>

#include "proto/support/limits.h"
#include "proto/support/trace_context.h"
#include "proto/support/utf8.h"
#include "server/rpc/convert.h"
#include "server/rpc/digest.h"

namespace treadle::rpc {
namespace {

engine::TaskSpec ReadOptions(v1::TaskSpec& task) {
  engine::TaskSpec spec;
  spec.queue = std::move(*task.mutable_queue());
  spec.type = std::move(*task.mutable_type());
  spec.priority = task.priority();
  if (task.start_case() == v1::TaskSpec::kRunAtMs) spec.run_at_ms = task.run_at_ms();
  if (task.start_case() == v1::TaskSpec::kDelayMs) spec.delay_ms = task.delay_ms();
  if (task.expiry_case() == v1::TaskSpec::kDeadlineAtMs) {
    spec.deadline_at_ms = task.deadline_at_ms();
  } else if (task.expiry_case() == v1::TaskSpec::kDeadlineInMs) {
    spec.deadline_in_ms = task.deadline_in_ms();
  }
  spec.attempt_timeout_ms = task.attempt_timeout_ms();
  spec.result_ttl_ms = task.has_result_ttl_ms() ? task.result_ttl_ms() : limits::kResultTtlMs;
  spec.max_attempts = OrDefault(task.max_attempts(), limits::kAttempts);
  spec.durability = task.durability() == v1::DURABILITY_UNSPECIFIED
                        ? engine::Durability::kSynced
                        : static_cast<engine::Durability>(task.durability());
  return spec;
}

}  // namespace

void SubmitReader::Trace(std::string_view traceparent, std::string_view tracestate) {
  const std::optional<TraceContext> trace = ParseTraceParent(traceparent);
  if (!trace.has_value()) return;
  trace_.emplace_back(kTraceParent, FormatTraceParent(*trace));
  if (tracestate.empty() || tracestate.size() > kTraceStateBytesMax || !IsUtf8(tracestate)) return;
  trace_.emplace_back(kTraceState, tracestate);
}

void SubmitReader::Begin(v1::TaskSpec& common, int64_t wall_ms) {
  status_ = ValidateOptions(common, wall_ms);
  if (!status_.ok()) return;
  common_.spec = ReadOptions(common);
  if (common.has_retry()) common_.spec.retry = ReadPolicy(*common.mutable_retry());
  common_.wait_if_full_ms = common.wait_if_full_ms();
  content_type_ = std::move(*common.mutable_content_type());
  headers_.clear();
  for (auto& [key, value] : *common.mutable_headers()) {
    headers_.emplace_back(key, std::move(value));
  }
  const auto is_trace = [](const auto& header) { return IsTraceContext(header.first); };
  if (std::none_of(headers_.begin(), headers_.end(), is_trace)) {
    headers_.insert(headers_.end(), trace_.begin(), trace_.end());
  }
}

engine::Submit SubmitReader::Next(std::string payload, std::string request_key,
                                  broker::BodyPtr& body) {
  body = nullptr;
  if (absl::Status s = Check(payload, request_key); !s.ok()) {
    engine::Submit refused;
    refused.refusal = std::move(s);
    return refused;
  }
  engine::Submit submit = common_;
  submit.spec.payload_bytes = payload.size();
  body = BodyOf(std::move(payload));
  if (!request_key.empty()) {
    submit.spec.request_key = std::move(request_key);
    submit.spec.digest = DigestOf(submit.spec, body.get());
  }
  return submit;
}

engine::Submit SubmitReader::NextRun(std::string payloads, std::vector<uint32_t> sizes,
                                     broker::BodyPtr& body) {
  engine::Submit submit = common_;
  submit.spec.payload_bytes = payloads.size();
  submit.payload_sizes = std::move(sizes);
  body = BodyOf(std::move(payloads));
  return submit;
}

bool SubmitReader::MayRun(const std::vector<uint32_t>& sizes) const {
  const auto fits = [this](uint32_t bytes) { return bytes <= bounds_.payload_bytes_max; };
  return sizes.size() > 1 && status_.ok() && std::all_of(sizes.begin(), sizes.end(), fits);
}

broker::BodyPtr SubmitReader::BodyOf(std::string bytes) const {
  if (bytes.empty() && content_type_.empty() && headers_.empty()) return nullptr;
  return std::make_shared<broker::Body>(broker::Body{std::move(bytes), content_type_, headers_});
}

engine::Submit SubmitReader::Read(v1::TaskSpec& task, int64_t wall_ms, broker::BodyPtr& body) {
  Begin(task, wall_ms);
  return Next(std::move(*task.mutable_payload()), std::move(*task.mutable_request_key()), body);
}

absl::Status SubmitReader::Check(const std::string& payload, const std::string& request_key) const {
  if (!status_.ok()) return status_;
  if (absl::Status s = ValidatePayload(static_cast<int64_t>(payload.size()), bounds_); !s.ok()) {
    return s;
  }
  return ValidateOptionalName("request_key", request_key);
}

std::shared_ptr<const engine::RetryPolicy> SubmitReader::ReadPolicy(v1::RetryPolicy& retry) {
  engine::RetryPolicy policy;
  policy.initial_delay_ms = OrDefault(retry.initial_delay_ms(), limits::kRetryInitialDelayMs);
  policy.multiplier = OrDefault(retry.multiplier(), limits::kRetryMultiplier);
  policy.max_delay_ms = OrDefault(retry.max_delay_ms(), limits::kRetryMaxDelayMs);
  policy.jitter = retry.has_jitter() ? retry.jitter() : limits::kRetryJitter;
  policy.no_retry_error_types = ReadNames(*retry.mutable_no_retry_error_types());
  if (policy == engine::RetryPolicy()) return nullptr;
  if (last_policy_ == nullptr || *last_policy_ != policy) {
    last_policy_ = std::make_shared<const engine::RetryPolicy>(std::move(policy));
  }
  return last_policy_;
}

}  // namespace treadle::rpc
