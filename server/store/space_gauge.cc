#include "server/store/space_gauge.h"

#include <utility>

namespace treadle::store {

SpaceGauge::SpaceGauge(std::function<int64_t()> measure, ReadThread& thread)
    : measure_(std::move(measure)), thread_(thread), bytes_(measure_()) {}

int64_t SpaceGauge::Read() {
  if (!measuring_.exchange(true)) {
    thread_.Add(/*urgent=*/true, [this] {
      bytes_ = measure_();
      measuring_ = false;
    });
  }
  return bytes_;
}

}  // namespace treadle::store
