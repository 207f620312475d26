#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Protobuf's encoding, for the few fields that are written once for each task: a submit is encoded
// on its caller's thread, kept as these bytes until it is answered, and copied into each message
// that carries it, with no message objects in between. Parsers cannot tell the difference.

namespace treadle::client {

// A bytes, string or message field. Empty ones are written too.
void AppendField(std::string& out, int field, std::string_view bytes);
// A uint64 field.
void AppendField(std::string& out, int field, uint64_t value);
// A field of message type that holds one uint64 field and one message field, in this order.
void AppendPair(std::string& out, int field, int number_field, uint64_t number, int bytes_field,
                std::string_view bytes);
// At least as many bytes as an AppendPair of so many bytes adds.
size_t PairBytesMax(size_t bytes);

}  // namespace treadle::client
