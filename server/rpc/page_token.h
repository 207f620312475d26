#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace treadle::rpc {

// Where a list's next page begins: opaque to clients, and only good for the same question.
//
// `question` is anything that names the list and its filters; `position` is what the list needs to
// go on, which must not be empty.
std::string EncodePageToken(absl::string_view question, absl::string_view position);

// Empty for an empty token. INVALID_ARGUMENT: not one of ours, or for another question.
absl::StatusOr<std::string> DecodePageToken(absl::string_view question, const std::string& token);

// The same of a position that is a number. `first`: of the first page.
absl::StatusOr<uint64_t> DecodePageNumber(absl::string_view question, const std::string& token,
                                          uint64_t first);

}  // namespace treadle::rpc
