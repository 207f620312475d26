#include "client/cli/console/key.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "proto/support/utf8.h"

namespace treadle::cli {
namespace {

constexpr char kEscapeByte = '\x1b';
constexpr size_t kSequenceBytesMax = 16;

struct Sequence {
  std::string_view bytes;
  Key::Kind kind;
};

constexpr std::array<Sequence, 12> kSequences = {{{"[A", Key::Kind::kUp},
                                                  {"OA", Key::Kind::kUp},
                                                  {"[B", Key::Kind::kDown},
                                                  {"OB", Key::Kind::kDown},
                                                  {"[5~", Key::Kind::kPageUp},
                                                  {"[6~", Key::Kind::kPageDown},
                                                  {"[H", Key::Kind::kHome},
                                                  {"OH", Key::Kind::kHome},
                                                  {"[1~", Key::Kind::kHome},
                                                  {"[F", Key::Kind::kEnd},
                                                  {"OF", Key::Kind::kEnd},
                                                  {"[4~", Key::Kind::kEnd}}};

bool IsFinal(char c) { return c >= '@' && c <= '~'; }

// Bytes of the escape sequence that `text` begins with, after its escape byte. 0: not whole.
size_t SequenceLength(std::string_view text) {
  if (text.size() < 2) return 0;
  if (text[0] == 'O') return 2;
  for (size_t i = 1; i < text.size(); i++) {
    if (IsFinal(text[i])) return i + 1;
    if (i >= kSequenceBytesMax) return i + 1;
  }
  return 0;
}

// The first bytes of one that has more.
bool MayBecomeCharacter(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return first >= 0xc2 && first <= 0xf4 && text.size() < length &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return (c & 0xc0) == 0x80; });
}

void AddControl(char c, std::vector<Key>& keys) {
  if (c == '\r' || c == '\n') keys.push_back({Key::Kind::kEnter, ""});
  if (c == '\b' || c == '\x7f') keys.push_back({Key::Kind::kErase, ""});
}

}  // namespace

std::vector<Key> KeyReader::Read(std::string_view bytes) {
  bytes_ += bytes;
  std::vector<Key> keys;
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    if (rest[0] == kEscapeByte) {
      const std::string_view after = rest.substr(1);
      if (after.empty()) break;
      if (after[0] != '[' && after[0] != 'O') {
        keys.push_back({Key::Kind::kEscape, ""});
        rest.remove_prefix(1);
        continue;
      }
      const size_t length = SequenceLength(after);
      if (length == 0) break;
      for (const Sequence& sequence : kSequences) {
        if (after.substr(0, length) == sequence.bytes) keys.push_back({sequence.kind, ""});
      }
      rest.remove_prefix(1 + length);
      continue;
    }
    const size_t length = Utf8Length(rest);
    if (length == 0) {
      if (MayBecomeCharacter(rest)) break;
      rest.remove_prefix(1);
      continue;
    }
    const std::string character(rest.substr(0, length));
    if (IsPrintableUtf8(character)) {
      keys.push_back({Key::Kind::kText, character});
    } else {
      AddControl(rest[0], keys);
    }
    rest.remove_prefix(length);
  }
  bytes_ = std::string(rest);
  return keys;
}

std::vector<Key> KeyReader::End() {
  std::vector<Key> keys;
  if (!bytes_.empty() && bytes_[0] == kEscapeByte) keys.push_back({Key::Kind::kEscape, ""});
  bytes_.clear();
  return keys;
}

}  // namespace treadle::cli
