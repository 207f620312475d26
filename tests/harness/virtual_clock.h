#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "proto/support/clock.h"

namespace treadle::testing {

// The machine's clocks, which may jump forward together. Thread-safe.
class VirtualMachineClock final : public MachineClock {
 public:
  int64_t SinceBootMs() const override { return machine_.SinceBootMs() + jumped_ms_; }
  int64_t UnixMs() const override { return machine_.UnixMs() + jumped_ms_; }
  std::string BootId() const override { return machine_.BootId(); }

  void Jump(int64_t ms) { jumped_ms_ += ms; }
  int64_t jumped_ms() const { return jumped_ms_; }

 private:
  const SystemMachineClock machine_;
  std::atomic<int64_t> jumped_ms_ = 0;
};

// The edge's: it shows the service's Unix time, and does not jump, so that no peer seems to have
// been silent for the time of a jump.
class EdgeClock final : public Clock {
 public:
  // Both outlive it.
  EdgeClock(const ServiceClock& service, const VirtualMachineClock& machine)
      : service_(service), machine_(machine) {}

  int64_t NowMs() const override { return service_.NowMs() - machine_.jumped_ms(); }
  int64_t WallOffsetMs() const override { return service_.WallOffsetMs() + machine_.jumped_ms(); }

 private:
  const ServiceClock& service_;
  const VirtualMachineClock& machine_;
};

}  // namespace treadle::testing
