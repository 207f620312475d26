#include "server/rpc/disk_watch.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace treadle::rpc {
namespace {

constexpr double kMsPerSecond = 1'000;

}  // namespace

DiskWatch::DiskWatch(const store::Store& store, std::function<void(bool serves)> serves)
    : store_(store), serves_(std::move(serves)) {}

void DiskWatch::Look(int64_t now_ms) {
  if (now_ms - std::exchange(looked_at_ms_, now_ms) > 2 * kLookMs) awake_since_ms_ = now_ms;
  const std::optional<int64_t> busy_since_ms = store_.BusySinceMs();
  const bool hung =
      busy_since_ms.has_value() && now_ms - std::max(*busy_since_ms, awake_since_ms_) >= kHungMs;
  if (!hung) {
    // After a pause it is not known yet whether it still hangs.
    if (busy_since_ms.has_value() && hung_since_ms_ == busy_since_ms) return;
    if (!hung_since_ms_.has_value()) return;
    spdlog::info("the disk answers again, after {:.1f} s",
                 static_cast<double>(now_ms - *hung_since_ms_) / kMsPerSecond);
    hung_since_ms_.reset();
    serves_(true);
    return;
  }
  const bool is_new = !hung_since_ms_.has_value();
  if (is_new) hung_since_ms_ = busy_since_ms;
  if (!is_new && now_ms - said_at_ms_ < kSayAgainMs) return;
  said_at_ms_ = now_ms;
  spdlog::warn(
      "the disk has not answered for {:.1f} s: what must be stored waits, and health says "
      "NOT_SERVING; look at the device of the data directory (frozen, failing, a lost mount)",
      static_cast<double>(now_ms - *hung_since_ms_) / kMsPerSecond);
  if (is_new) serves_(false);
}

}  // namespace treadle::rpc
