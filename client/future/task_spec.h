#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/future/encoded_task.h"

#include "treadle/codec.h"
#include "treadle/submit_options.h"
#include "treadle/v1/task.pb.h"

namespace treadle::client {

// Writes everything but queue, type, payload and request key into `spec`. INVALID_ARGUMENT: two
// fields exclude each other, or a value cannot be stated on the wire; the broker checks the rest.
absl::Status WriteSpec(const SubmitOptions& options, v1::TaskSpec& spec);

// The part of a v1::TaskSpec that all tasks with these options share, encoded: without the request
// key. INVALID_ARGUMENT as for WriteSpec.
absl::StatusOr<std::string> EncodeOptions(const std::string& queue, const SubmitOptions& submit);

// What tasks with these options, of one type and content type, have in common: what is appended to
// the options makes one message of both.
absl::StatusOr<std::string> EncodeCommon(const absl::StatusOr<std::string>& options,
                                         std::string_view type, std::string_view content_type);

// A whole task with options of its own.
absl::StatusOr<EncodedTask> EncodeTask(const std::string& queue, const SubmitOptions& submit,
                                       std::string_view type, Payload payload);

// Appends headers to an encoded TaskSpec; they replace those of the same name. INVALID_ARGUMENT:
// not UTF-8.
absl::Status AppendHeaders(const Headers& headers, std::string& spec);

}  // namespace treadle::client
