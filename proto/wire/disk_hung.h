#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

// What both ends of a stream know of `disk_hung_ms`: the broker's disk does not answer.

namespace treadle::wire {

// A disk hangs when something has been under way for so long.
inline constexpr int64_t kDiskHungMs = 3'000;
// It is told on each stream so often,
inline constexpr int64_t kDiskToldEveryMs = 1'000;
// and has answered again when it was not told for so long.
inline constexpr int64_t kDiskToldForMs = 3'000;

// "the broker's disk has not answered for 12 s".
inline std::string DiskHungText(int64_t hung_ms) {
  return absl::StrCat("the broker's disk has not answered for ", hung_ms / 1'000, " s");
}

// What a stream's reader was told of the disk. One thread, or one lock.
class DiskNews {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class Change { kNone, kHangs, kAnswers };

  // A message has come, be it a heartbeat; 0: it does not tell of the disk.
  Change Heard(int64_t disk_hung_ms, TimePoint now) {
    if (disk_hung_ms > 0) {
      told_at_ = now;
      const bool is_new = !hung_since_.has_value();
      hung_since_ = now - std::chrono::milliseconds(disk_hung_ms);
      return is_new ? Change::kHangs : Change::kNone;
    }
    if (!hung_since_.has_value() || now < told_at_ + std::chrono::milliseconds(kDiskToldForMs)) {
      return Change::kNone;
    }
    hung_since_.reset();
    return Change::kAnswers;
  }
  // Nothing is known any more.
  void StreamLost() { hung_since_.reset(); }

  // Absent: it answers, as far as is known.
  std::optional<TimePoint> hung_since() const { return hung_since_; }

 private:
  std::optional<TimePoint> hung_since_;
  TimePoint told_at_;
};

}  // namespace treadle::wire
