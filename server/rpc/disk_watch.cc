#include "server/rpc/disk_watch.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace treadle::rpc {
namespace {

constexpr double kMsPerSecond = 1'000;

}  // namespace

DiskWatch::DiskWatch(const store::Store& store, Told told)
    : store_(store), told_(std::move(told)) {}

int64_t DiskWatch::HungMs(int64_t now_ms) const {
  const int64_t since_ms = hung_since_ms_;
  return since_ms == kAnswers ? 0 : std::max(now_ms - since_ms, kHungMs);
}

void DiskWatch::Look(int64_t now_ms) {
  if (now_ms - std::exchange(looked_at_ms_, now_ms) > 2 * kLookMs) awake_since_ms_ = now_ms;
  const std::optional<int64_t> busy_since_ms = store_.BusySinceMs();
  if (busy_since_ms.has_value() && now_ms - std::max(*busy_since_ms, awake_since_ms_) >= kHungMs) {
    Hangs(*busy_since_ms, now_ms);
  } else if (hung_since_ms_ != kAnswers && hung_since_ms_ != busy_since_ms) {
    Answers(now_ms);
  }  // Otherwise, after a pause, it is not known yet whether it still hangs.
}

void DiskWatch::Hangs(int64_t busy_since_ms, int64_t now_ms) {
  const bool is_new = hung_since_ms_ == kAnswers;
  if (is_new) hung_since_ms_ = busy_since_ms;
  const int64_t hung_ms = HungMs(now_ms);
  if (is_new || now_ms - said_at_ms_ >= kSayAgainMs) {
    said_at_ms_ = now_ms;
    spdlog::warn(
        "the disk has not answered for {:.1f} s: what must be stored waits, and health says "
        "NOT_SERVING; look at the device of the data directory (frozen, failing, a lost mount)",
        static_cast<double>(hung_ms) / kMsPerSecond);
  }
  if (is_new) told_.serves(false);
  told_.hangs(now_ms, hung_ms);
}

void DiskWatch::Answers(int64_t now_ms) {
  spdlog::info("the disk answers again, after {:.1f} s",
               static_cast<double>(HungMs(now_ms)) / kMsPerSecond);
  hung_since_ms_ = kAnswers;
  told_.serves(true);
}

}  // namespace treadle::rpc
