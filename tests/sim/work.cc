#include "tests/sim/work.h"

#include <memory>

#include "absl/strings/str_cat.h"

namespace treadle::sim {

using engine::Durability;

Work RandomWork(Random& random, int64_t now_ms, uint64_t key_space) {
  Work work;
  engine::TaskSpec& spec = work.spec;
  spec.queue = random.Pick(kQueues);
  spec.type = random.Pick(kTypes);
  if (spec.queue == "priority") spec.priority = static_cast<int32_t>(random.Between(-3, 3));
  if (random.OneIn(8)) spec.delay_ms = random.Between(1, 2'000);
  if (random.OneIn(16)) spec.run_at_ms = now_ms + random.Between(-1'000, 3'000);
  if (spec.run_at_ms > 0) spec.delay_ms = 0;
  if (random.OneIn(10)) spec.deadline_in_ms = random.Between(50, 10'000);
  if (random.OneIn(5)) spec.attempt_timeout_ms = random.Between(50, 1'500);
  spec.max_attempts = static_cast<int32_t>(random.Between(1, 4));
  spec.result_ttl_ms = random.OneIn(12) ? 0 : random.Between(5'000, 600'000);
  if (random.OneIn(2)) {
    auto retry = std::make_shared<engine::RetryPolicy>();
    retry->initial_delay_ms = random.Between(1, 500);
    retry->max_delay_ms = 2'000;
    retry->jitter = random.OneIn(2) ? 0.0 : 0.5;
    if (random.OneIn(3)) retry->no_retry_error_types = {"Hopeless"};
    spec.retry = std::move(retry);
  }
  const uint64_t level = random.Below(10);
  spec.durability = level < 7   ? Durability::kSynced
                    : level < 9 ? Durability::kWritten
                                : Durability::kMemory;
  if (random.OneIn(3)) work.wait_if_full_ms = random.Between(10, 5'000);

  auto body = std::make_shared<broker::Body>();
  body->bytes = absl::StrCat("payload ", random.Next());
  if (random.OneIn(8)) body->bytes.append(1'000, 'x');
  if (key_space > 0 && random.OneIn(4)) {
    // The same key means the same content, as a rule.
    const uint64_t key = random.Below(key_space);
    const uint64_t content = random.OneIn(10) ? 1 : 0;
    Random same(key * 2 + content);
    spec = RandomWork(same, /*now_ms=*/0, 0).spec;
    spec.run_at_ms = 0;
    spec.request_key = absl::StrCat("key-", key);
    spec.queue = kQueues[key % kQueues.size()];
    spec.priority = 0;
    spec.digest = {key + 1, content};
    body->bytes = absl::StrCat("keyed ", key, " ", content);
  }
  spec.payload_bytes = body->bytes.size();
  work.body = std::move(body);
  return work;
}

void Work::TakeOptions(const Work& other) {
  spec = other.spec;
  spec.payload_bytes = body->bytes.size();
  wait_if_full_ms = other.wait_if_full_ms;
}

}  // namespace treadle::sim
