#include "proto/support/descriptors.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "proto/support/assert.h"

namespace treadle {
namespace {

constexpr rlim_t kEnough = 1 << 20;

// The limit belongs to the process, and so does what it was.
std::mutex mutex;
std::optional<rlimit> first;

rlimit Now() {
  rlimit limit{};
  TREADLE_ASSERT(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  return limit;
}

}  // namespace

DescriptorLimit RaiseDescriptorLimit() {
  std::lock_guard lock(mutex);
  rlimit limit = Now();
  if (!first) first = limit;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kEnough));
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return {static_cast<int64_t>(first->rlim_cur), static_cast<int64_t>(Now().rlim_cur)};
}

rlimit FirstDescriptorLimit() {
  std::lock_guard lock(mutex);
  return first.value_or(Now());
}

}  // namespace treadle
