#include "server/broker/outcome.h"

#include <numeric>
#include <utility>
#include <vector>

#include "proto/support/assert.h"

namespace treadle::broker {

engine::FinishedRow OneOf(const engine::FinishedRow& outcomes, uint32_t index) {
  TREADLE_ASSERT(index < outcomes.tasks);
  engine::FinishedRow one = outcomes;
  if (outcomes.tasks == 1) return one;
  const std::vector<uint32_t> sizes = std::exchange(one.result_sizes, {});
  one.tasks = 1;
  one.id.sequence += index;
  one.payload_bytes = std::exchange(one.payload_sizes, {})[index];
  one.body.begin += std::accumulate(sizes.begin(), sizes.begin() + index, uint64_t{0});
  one.body.bytes = sizes[index];
  return one;
}

}  // namespace treadle::broker
