#include "server/engine/retry.h"

#include <algorithm>
#include <cmath>

#include "server/engine/hash.h"

namespace treadle::engine {
namespace {

constexpr int kReturnsAtOnce = 5;
constexpr int64_t kReturnBackoffMs = 100;
constexpr int64_t kReturnBackoffMsMax = 30'000;

// From -1 to 1.
double Spread(TaskId task, int32_t attempts_spent) {
  const uint64_t bits =
      StableHash(0).Add(task.session).Add(task.sequence).Add(attempts_spent).value();
  return static_cast<double>(bits >> 11) * 0x1p-52 - 1;
}

}  // namespace

const RetryPolicy& PolicyOrDefault(const std::shared_ptr<const RetryPolicy>& policy) {
  static const RetryPolicy kDefault;
  return policy ? *policy : kDefault;
}

bool MayRetry(const RetryPolicy& policy, const TaskError& error) {
  if (error.permanent) return false;
  const auto& types = policy.no_retry_error_types;
  return std::find(types.begin(), types.end(), error.type) == types.end();
}

int64_t BackoffMs(const RetryPolicy& policy, TaskId task, int32_t attempts_spent) {
  const double most = static_cast<double>(policy.max_delay_ms);
  double delay = static_cast<double>(policy.initial_delay_ms);
  if (delay > 0 && policy.multiplier > 1) {
    // std::pow may differ from one C library to the next.
    double factor = policy.multiplier;
    for (int32_t left = attempts_spent - 1; left > 0; left /= 2, factor *= factor) {
      if (left % 2 != 0) delay *= factor;
    }
  }
  delay = std::min(delay, most);
  delay *= 1 + policy.jitter * Spread(task, attempts_spent);
  return std::max<int64_t>(0, std::llround(delay));
}

int64_t ReturnBackoffMs(int returns) {
  if (returns <= kReturnsAtOnce) return 0;
  int64_t wait_ms = kReturnBackoffMs;
  for (int n = kReturnsAtOnce + 1; n < returns && wait_ms < kReturnBackoffMsMax; ++n) wait_ms *= 2;
  return std::min(wait_ms, kReturnBackoffMsMax);
}

}  // namespace treadle::engine
