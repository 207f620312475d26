#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"

// Bytes of several items as a run has them: one behind the other, with their sizes beside. Needs no
// gRPC.

namespace treadle::wire {

using Sizes = google::protobuf::RepeatedField<uint32_t>;

// Of all of them.
inline uint64_t BytesOf(const Sizes& sizes) {
  uint64_t bytes = 0;
  for (const uint32_t size : sizes) bytes += size;
  return bytes;
}

// visit(size_t index, absl::string_view bytes) for each item. What the bytes do not reach to is cut
// short: whoever minds compares BytesOf with how many there are.
template <typename Visit>
void ForEachItem(const Sizes& sizes, absl::string_view bytes, Visit visit) {
  size_t index = 0;
  for (const uint32_t size : sizes) {
    const absl::string_view item = bytes.substr(0, size);
    visit(index++, item);
    bytes.remove_prefix(item.size());
  }
}

}  // namespace treadle::wire
