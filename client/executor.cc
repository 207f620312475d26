#include "client/executor.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session.h"
#include "client/text.h"
#include "client/wire_format.h"

#include "proto/support/utf8.h"
#include "treadle/v1/task.pb.h"

namespace treadle {
namespace {

// The part of a spec that all tasks with these options share, encoded. What is appended to it later
// makes one message of both.
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

}  // namespace

struct Executor::Prepared {
  explicit Prepared(ExecutorOptions options_in)
      : options(std::move(options_in)), encoded(EncodeOptions(options.queue, options.submit)) {}

  ExecutorOptions options;
  absl::StatusOr<std::string> encoded;
};

Executor::Executor(Client& client, ExecutorOptions options)
    : client_(&client), prepared_(std::make_shared<const Prepared>(std::move(options))) {}

Future<Payload> Executor::SubmitRaw(std::string_view type, Payload payload) const {
  return Future<Payload>(Send(type, std::move(payload)));
}

Future<Payload> Executor::SubmitRaw(const SubmitOptions& submit, std::string_view type,
                                    Payload payload) const {
  return Future<Payload>(Send(submit, type, std::move(payload)));
}

const ExecutorOptions& Executor::options() const { return prepared_->options; }

FutureStateRef Executor::Send(std::string_view type, absl::StatusOr<Payload> payload) const {
  absl::StatusOr<std::string> spec = EncodeSpec(prepared_->encoded, type, payload);
  if (!spec.ok()) return EndedState(spec.status());
  return client_->session().Submit(*std::move(spec), !options().submit.request_key.empty());
}

FutureStateRef Executor::Send(const SubmitOptions& submit, std::string_view type,
                              absl::StatusOr<Payload> payload) const {
  absl::StatusOr<std::string> spec =
      EncodeSpec(EncodeOptions(options().queue, submit), type, payload);
  if (!spec.ok()) return EndedState(spec.status());
  return client_->session().Submit(*std::move(spec), !submit.request_key.empty());
}

}  // namespace treadle
