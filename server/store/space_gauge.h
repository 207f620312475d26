#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "server/store/read_thread.h"

namespace treadle::store {

// What is free on a device, for those who must not wait for it: a device that hangs may not even
// tell that.
class SpaceGauge {
 public:
  // `measure` is called at once, and later on `thread`, which may begin after the gauge and ends
  // before it.
  SpaceGauge(std::function<int64_t()> measure, ReadThread& thread);

  // What was measured last, bytes; has it measured anew. Never waits. Any thread.
  int64_t Read();
  // The same without having it measured.
  int64_t bytes() const { return bytes_; }

 private:
  const std::function<int64_t()> measure_;
  ReadThread& thread_;
  std::atomic<int64_t> bytes_;
  std::atomic<bool> measuring_ = false;
};

}  // namespace treadle::store
