#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace treadle::cli {

// A key that was pressed.
struct Key {
  enum class Kind {
    kText,
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kEnter,
    kEscape,
    kErase  // backspace
  };
  Kind kind = Kind::kText;
  std::string text;  // of kText: one character, UTF-8

  bool operator==(const Key&) const = default;
  bool Is(std::string_view character) const { return kind == Kind::kText && text == character; }
};

// Takes the bytes that a terminal sends apart, as xterm and those after it send them. What is no
// key of ours is dropped.
class KeyReader {
 public:
  // The keys that are whole by now.
  std::vector<Key> Read(std::string_view bytes);
  // Something has begun and is not whole. If nothing more comes soon, End says what it is.
  bool pending() const { return !bytes_.empty(); }
  // A lone escape byte is the key.
  std::vector<Key> End();

 private:
  std::string bytes_;
};

}  // namespace treadle::cli
