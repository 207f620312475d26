#include "proto/support/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace treadle {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kCut = " [...] ";

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// Where the run of plain ASCII that `text` begins with ends; looks at eight bytes at a time.
size_t AsciiPrefix(std::string_view text) {
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

size_t Utf8Length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogates
  if (first == 0xF0 && byte(1) < 0x90) return 0;  // overlong
  if (first == 0xF4 && byte(1) > 0x8F) return 0;  // beyond U+10FFFF
  return length;
}

bool IsUtf8(std::string_view text) {
  while (true) {
    text.remove_prefix(AsciiPrefix(text));
    if (text.empty()) return true;
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

bool IsPrintableUtf8(std::string_view text) {
  while (true) {
    // Most names are ASCII.
    const auto special =
        std::find_if_not(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
    text.remove_prefix(static_cast<size_t>(special - text.begin()));
    if (text.empty()) return true;
    const size_t length = Utf8Length(text);
    const auto first = static_cast<uint8_t>(text.front());
    if (length == 0 || first < 0x20 || first == 0x7F) return false;
    if (first == 0xC2 && static_cast<uint8_t>(text[1]) < 0xA0) return false;
    text.remove_prefix(length);
  }
}

std::string CutMiddle(std::string_view text, size_t bytes_max) {
  std::string clean;
  if (!IsUtf8(text)) {
    while (!text.empty()) {
      const size_t length = Utf8Length(text);
      clean += length == 0 ? kReplacement : text.substr(0, length);
      text.remove_prefix(length == 0 ? 1 : length);
    }
    text = clean;
  }
  if (text.size() <= bytes_max) return std::string(text);
  if (bytes_max <= kCut.size()) return std::string();
  const size_t kept = bytes_max - kCut.size();
  size_t front = kept - kept / 2;
  size_t back = text.size() - kept / 2;
  while (front > 0 && IsContinuation(text[front])) --front;
  while (back < text.size() && IsContinuation(text[back])) ++back;
  std::string cut(text.substr(0, front));
  cut += kCut;
  cut += text.substr(back);
  return cut;
}

}  // namespace treadle
