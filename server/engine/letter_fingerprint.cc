#include "server/engine/letter_fingerprint.h"

#include <string>

#include "absl/strings/ascii.h"

#include "server/engine/hash.h"

namespace treadle::engine {
namespace {

constexpr uint64_t kKind = 0x6c657474;
constexpr size_t kPatternBytes = 256;
constexpr size_t kMessageBytes = 1024;  // that are looked at

bool IsOfWord(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || static_cast<uint8_t>(c) >= 0x80 ||
         c == '-' || c == '_' || c == '.' || c == ':';
}

// The message's first line, with '#' in place of each word that has a digit.
std::string Pattern(std::string_view message) {
  message = message.substr(0, kMessageBytes);
  message = message.substr(0, message.find('\n'));
  std::string pattern;
  pattern.reserve(message.size());
  for (size_t at = 0; at < message.size() && pattern.size() < kPatternBytes;) {
    size_t end = at;
    bool has_digit = false;
    for (; end < message.size() && IsOfWord(message[end]); ++end) {
      has_digit = has_digit || absl::ascii_isdigit(static_cast<unsigned char>(message[end]));
    }
    if (end == at) {
      pattern.push_back(message[at++]);
      continue;
    }
    if (has_digit) {
      pattern.push_back('#');
    } else {
      pattern.append(message.substr(at, end - at));
    }
    at = end;
  }
  if (pattern.size() > kPatternBytes) pattern.resize(kPatternBytes);
  return pattern;
}

}  // namespace

uint64_t FingerprintOf(std::string_view task_type, const TaskError& error) {
  const uint64_t hash =
      StableHash(kKind).Add(task_type).Add(error.type).Add(Pattern(error.message)).value();
  return hash == kOtherLetters ? hash + 1 : hash;
}

}  // namespace treadle::engine
