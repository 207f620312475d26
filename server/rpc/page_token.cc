#include "server/rpc/page_token.h"

#include <xxhash.h>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace treadle::rpc {
namespace {

std::string Check(absl::string_view question, absl::string_view position) {
  const std::string both = absl::StrCat(question.size(), ":", question, position);
  return absl::StrCat(absl::Hex(XXH3_64bits(both.data(), both.size()), absl::kZeroPad16));
}

}  // namespace

std::string EncodePageToken(absl::string_view question, absl::string_view position) {
  return absl::WebSafeBase64Escape(absl::StrCat(Check(question, position), position));
}

absl::StatusOr<std::string> DecodePageToken(absl::string_view question, const std::string& token) {
  if (token.empty()) return std::string();
  std::string bytes;
  if (absl::WebSafeBase64Unescape(token, &bytes) && bytes.size() > 16) {
    std::string position = bytes.substr(16);
    if (bytes.substr(0, 16) == Check(question, position)) return position;
  }
  return absl::InvalidArgumentError(
      "page_token: not one from a response to the same question; leave it empty for the first "
      "page");
}

absl::StatusOr<uint64_t> DecodePageNumber(absl::string_view question, const std::string& token,
                                          uint64_t first) {
  const absl::StatusOr<std::string> position = DecodePageToken(question, token);
  if (!position.ok()) return position.status();
  if (position->empty()) return first;
  uint64_t number = 0;
  if (absl::SimpleAtoi(*position, &number)) return number;
  return absl::InvalidArgumentError("page_token: not one of ours");
}

}  // namespace treadle::rpc
