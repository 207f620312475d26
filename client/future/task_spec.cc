#include "client/future/task_spec.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/ledger/wire_format.h"

#include "proto/support/text.h"
#include "proto/support/utf8.h"
#include "treadle/v1/task.pb.h"

namespace treadle::client {
namespace {

int64_t UnixMs(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

absl::Status ExcludeEachOther(std::string_view a, std::string_view b) {
  return absl::InvalidArgumentError(
      absl::StrCat(Absl(a), " and ", Absl(b), " exclude each other: set one of them"));
}

// Zero means "the default" on the wire, so a caller's zero cannot be said there.
absl::Status MustBeAboveZero(std::string_view field) {
  return absl::InvalidArgumentError(absl::StrCat(Absl(field), " is 0: use a value above 0"));
}

// One field that is not UTF-8 would make the whole message unreadable.
absl::Status CheckUtf8(std::string_view field, std::string_view text) {
  if (IsUtf8(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Absl(field), " is not UTF-8: encode it, or put it into the payload"));
}

absl::Status WriteRetry(const RetryPolicy& retry, v1::RetryPolicy& out) {
  if (retry.initial_delay.count() == 0) return MustBeAboveZero("retry.initial_delay");
  if (retry.max_delay.count() == 0) return MustBeAboveZero("retry.max_delay");
  if (retry.multiplier == 0) return MustBeAboveZero("retry.multiplier");
  out.set_initial_delay_ms(retry.initial_delay.count());
  out.set_multiplier(retry.multiplier);
  out.set_max_delay_ms(retry.max_delay.count());
  out.set_jitter(retry.jitter);
  for (const std::string& type : retry.no_retry_error_types) {
    absl::Status status = CheckUtf8("retry.no_retry_error_types", type);
    if (!status.ok()) return status;
    out.add_no_retry_error_types(type);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSpec(const SubmitOptions& options, v1::TaskSpec& spec) {
  const bool has_delay = options.delay.count() != 0;
  const bool has_deadline = options.deadline.count() != 0;
  if (options.run_at.has_value() && has_delay) return ExcludeEachOther("run_at", "delay");
  if (options.deadline_at.has_value() && has_deadline) {
    return ExcludeEachOther("deadline_at", "deadline");
  }
  if (options.max_attempts == 0) return MustBeAboveZero("max_attempts");
  absl::Status status = CheckUtf8("request_key", options.request_key);
  if (!status.ok()) return status;
  spec.set_priority(options.priority);
  if (options.run_at.has_value()) spec.set_run_at_ms(UnixMs(*options.run_at));
  if (has_delay) spec.set_delay_ms(options.delay.count());
  spec.set_max_attempts(options.max_attempts);
  if (options.retry.has_value()) {
    status = WriteRetry(*options.retry, *spec.mutable_retry());
    if (!status.ok()) return status;
  }
  spec.set_attempt_timeout_ms(options.attempt_timeout.count());
  if (options.deadline_at.has_value()) spec.set_deadline_at_ms(UnixMs(*options.deadline_at));
  if (has_deadline) spec.set_deadline_in_ms(options.deadline.count());
  if (options.result_ttl.has_value()) spec.set_result_ttl_ms(options.result_ttl->count());
  for (const auto& [key, value] : options.headers) {
    status.Update(CheckUtf8("headers", key));
    status.Update(CheckUtf8("headers", value));
    if (!status.ok()) return status;
    (*spec.mutable_headers())[key] = value;
  }
  spec.set_durability(static_cast<v1::Durability>(options.durability));
  spec.set_wait_if_full_ms(options.wait_if_full.count());
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeOptions(const std::string& queue, const SubmitOptions& submit) {
  if (!IsUtf8(queue)) return absl::InvalidArgumentError("queue is not UTF-8: name another");
  v1::TaskSpec spec;
  spec.set_queue(queue);
  absl::Status status = WriteSpec(submit, spec);
  if (!status.ok()) return status;
  return spec.SerializeAsString();
}

absl::StatusOr<std::string> EncodeCommon(const absl::StatusOr<std::string>& options,
                                         std::string_view type, std::string_view content_type) {
  if (!options.ok()) return options.status();
  if (!IsUtf8(type)) return absl::InvalidArgumentError("type is not UTF-8: name another");
  if (!IsUtf8(content_type)) {
    return absl::InvalidArgumentError("content_type is not UTF-8: name another");
  }
  std::string common = *options;
  AppendField(common, v1::TaskSpec::kTypeFieldNumber, type);
  if (!content_type.empty()) {
    AppendField(common, v1::TaskSpec::kContentTypeFieldNumber, content_type);
  }
  return common;
}

absl::StatusOr<EncodedTask> EncodeTask(const std::string& queue, const SubmitOptions& submit,
                                       std::string_view type, Payload payload) {
  absl::StatusOr<std::string> common =
      EncodeCommon(EncodeOptions(queue, submit), type, payload.content_type);
  if (!common.ok()) return common.status();
  return EncodedTask{std::make_shared<const std::string>(*std::move(common)),
                     std::move(payload.bytes), submit.request_key};
}

absl::Status AppendHeaders(const Headers& headers, std::string& spec) {
  for (const auto& [name, value] : headers) {
    absl::Status status = CheckUtf8("headers", name);
    status.Update(CheckUtf8("headers", value));
    if (!status.ok()) return status;
    // An entry of a map is a message of its key and its value.
    std::string entry;
    AppendField(entry, 1, name);
    AppendField(entry, 2, value);
    AppendField(spec, v1::TaskSpec::kHeadersFieldNumber, entry);
  }
  return absl::OkStatus();
}

}  // namespace treadle::client
