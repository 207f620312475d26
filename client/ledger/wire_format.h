#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Protobuf's encoding, for the few fields that are written for each task: what a submit says is
// encoded on its caller's thread, kept as these bytes until it is answered, and copied into each
// message that carries it, with no message objects in between. Parsers cannot tell the difference.

namespace treadle::client {

// A bytes, string or message field. Empty ones are written too.
void AppendField(std::string& out, int field, std::string_view bytes);
// Only its beginning: so many bytes are to follow.
void AppendLength(std::string& out, int field, size_t bytes);
// A uint64 field.
void AppendField(std::string& out, int field, uint64_t value);
// An item of a packed field of numbers.
void AppendVarint(std::string& out, uint64_t value);

}  // namespace treadle::client
