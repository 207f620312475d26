#include "proto/program/labels.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/support/utf8.h"

namespace treadle::program {
namespace {

constexpr size_t kShownBytesMax = 80;

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ReadLabels(
    const std::vector<std::string>& words) {
  std::map<std::string, std::string> labels;
  for (const std::string& word : words) {
    const size_t sign = word.find('=');
    if (sign == std::string::npos || sign == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label ", absl::Utf8SafeCHexEscape(CutMiddle(word, kShownBytesMax)),
                       ": write KEY=VALUE, as in zone=a"));
    }
    labels[word.substr(0, sign)] = word.substr(sign + 1);
  }
  return labels;
}

}  // namespace treadle::program
