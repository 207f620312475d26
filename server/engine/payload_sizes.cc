#include "server/engine/payload_sizes.h"

#include <algorithm>

#include "proto/support/assert.h"

namespace treadle::engine {

PayloadSizes::PayloadSizes(const std::vector<uint32_t>& sizes)
    : count_(static_cast<uint32_t>(sizes.size())) {
  TREADLE_ASSERT(!sizes.empty());
  if (std::all_of(sizes.begin(), sizes.end(), [&](uint32_t size) { return size == sizes[0]; })) {
    each_ = sizes[0];
    return;
  }
  ends_.reserve(sizes.size());
  uint32_t end = 0;
  for (const uint32_t size : sizes) ends_.push_back(end += size);
}

}  // namespace treadle::engine
