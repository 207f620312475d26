#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace treadle {

// Bytes of the UTF-8 character that `text` begins with: 1 to 4. 0: it does not begin with one
// (overlong forms, surrogates and what is beyond U+10FFFF are none), or is empty.
size_t Utf8Length(std::string_view text);

bool IsUtf8(std::string_view text);

// UTF-8 without the control characters U+0000 to U+001F, U+007F and U+0080 to U+009F.
bool IsPrintableUtf8(std::string_view text);

// At most `bytes_max` bytes of `text`: when it is longer, its beginning and its end with " [...] "
// between them, cut between characters. Bytes that are not UTF-8 become U+FFFD.
std::string CutMiddle(std::string_view text, size_t bytes_max);

}  // namespace treadle
