#pragma once

#include <cstdint>
#include <httplib.h>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <google/protobuf/descriptor.h>

#include "proto/support/limits.h"

namespace treadle::bridge {

// The unary half of the Connect protocol with JSON, https://connectrpc.com/docs/protocol: POST of a
// request's canonical JSON (lowerCamelCase; int64 as strings; what is absent is the default) to
// /SERVICE/METHOD, and its response's back; or {"code":"not_found","message":"..."} with the HTTP
// status that belongs to the code.

// For how long a caller waits: Connect-Timeout-Ms, up to a bound.
inline constexpr int64_t kTimeoutMs = 10 * limits::kSecondMs;
inline constexpr int64_t kTimeoutMsMax = limits::kMinuteMs;

// INVALID_ARGUMENT: its headers are not of this protocol.
absl::StatusOr<int64_t> TimeoutMs(const httplib::Request& request);
absl::Status CheckVersion(const httplib::Request& request);
// Whether the body is said to be JSON.
bool IsJson(const httplib::Request& request);

// A message of this type as bytes, from its JSON. INVALID_ARGUMENT names the field that is not
// there or has no such value.
absl::StatusOr<std::string> FromJson(const google::protobuf::Descriptor& type,
                                     const std::string& json);
// The reverse, of bytes that are such a message. INTERNAL: why there is no JSON of it.
absl::StatusOr<std::string> ToJson(const google::protobuf::Descriptor& type,
                                   const std::string& bytes);

// The response, whole and uncompressed: a broker has better to do, and most who ask are near.
void WriteJson(int http_status, std::string json, httplib::Response& response);
void WriteError(const absl::Status& error, httplib::Response& response);
// HTTP's own word for a body that is not JSON.
void WriteNotJson(httplib::Response& response);

}  // namespace treadle::bridge
