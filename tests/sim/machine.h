#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_format.h"

#include "proto/support/clock.h"
#include "tests/sim/timeline.h"

namespace treadle::sim {

// The broker's machine: its clocks, which somebody sets, and its boots.
class Machine final : public MachineClock {
 public:
  explicit Machine(const Timeline& timeline) : timeline_(timeline) { Boot(); }

  int64_t SinceBootMs() const override { return timeline_.NowMs() - boots_.rbegin()->second; }
  int64_t UnixMs() const override { return timeline_.NowMs() + wall_set_by_ms_; }
  std::string BootId() const override { return boots_.rbegin()->first; }

  // The wall clock is from now on this far from the true time.
  void SetWall(int64_t by_ms) { wall_set_by_ms_ = by_ms; }
  void Boot() { boots_.emplace(absl::StrFormat("boot-%06d", boots_.size()), timeline_.NowMs()); }
  // When it truly was.
  int64_t TimeOf(const ClockMark& mark) const {
    return boots_.at(mark.boot_id) + mark.since_boot_ms;
  }

 private:
  const Timeline& timeline_;
  std::map<std::string, int64_t> boots_;  // and when each was
  int64_t wall_set_by_ms_ = 0;
};

}  // namespace treadle::sim
