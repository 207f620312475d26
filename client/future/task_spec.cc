#include "client/future/task_spec.h"

#include "client/ledger/wire_format.h"

#include "proto/support/utf8.h"
#include "treadle/v1/task.pb.h"

namespace treadle {

absl::StatusOr<std::string> EncodeOptions(const std::string& queue, const SubmitOptions& submit) {
  if (!IsUtf8(queue)) return absl::InvalidArgumentError("queue is not UTF-8: name another");
  v1::TaskSpec spec;
  spec.set_queue(queue);
  absl::Status status = WriteSpec(submit, spec);
  if (!status.ok()) return status;
  return spec.SerializeAsString();
}

absl::StatusOr<std::string> EncodeSpec(const absl::StatusOr<std::string>& options,
                                       std::string_view type,
                                       const absl::StatusOr<Payload>& payload) {
  if (!options.ok()) return options.status();
  if (!payload.ok()) return payload.status();
  if (!IsUtf8(type)) return absl::InvalidArgumentError("type is not UTF-8: name another");
  if (!IsUtf8(payload->content_type)) {
    return absl::InvalidArgumentError("content_type is not UTF-8: name another");
  }
  constexpr size_t kFieldsOverhead = 3 * 6;
  std::string spec;
  spec.reserve(options->size() + type.size() + payload->bytes.size() +
               payload->content_type.size() + kFieldsOverhead);
  spec = *options;
  AppendField(spec, v1::TaskSpec::kTypeFieldNumber, type);
  if (!payload->bytes.empty()) {
    AppendField(spec, v1::TaskSpec::kPayloadFieldNumber, payload->bytes);
  }
  if (!payload->content_type.empty()) {
    AppendField(spec, v1::TaskSpec::kContentTypeFieldNumber, payload->content_type);
  }
  return spec;
}

}  // namespace treadle
