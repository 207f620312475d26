#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

// What time is, for the broker. There are two kinds.
//
// A *length* is what somebody was promised to last: delay_ms, deadline_in_ms, the wait before a
// retry, an attempt's timeout, a lease, a wait for room, result_ttl_ms, the windows of sessions and
// of request keys. Lengths are measured in *service time*: milliseconds that pass evenly while a
// broker runs, whatever is done to the machine's clock. A store has one line of service time. It
// begins with Unix time when the store is made; each run goes on where the last one stopped, plus
// the time in between; it never goes back. Where a row says when a length ends, it says so in
// service time; the store drops expired rows by it.
//
// A *date* is what somebody named by the clock: run_at_ms and deadline_at_ms. Dates are stored as
// Unix time and compared with the machine's wall clock as it is now. When that is set, they come
// nearer or go farther away; no length does.
//
// What people are shown is Unix time: a moment of service time plus the present difference of the
// two clocks. So when a wrong clock is put right, unfinished tasks are shown with the right times.
//
// The time between two runs is known exactly when the machine was not booted in between (its clock
// since boot tells). After a boot there is only the wall clock, and it is believed only when what
// it says is possible: a clock that is behind the store's past says "no time", and so does one that
// is more than kDowntimeMsMax ahead, as it is when an earlier run began before the time was set. So
// a wrong clock makes lengths last longer, at worst by the time that the broker was away, and after
// a power cut by the last minute before it, of which the store may not have heard; it does not end
// them early.
//
// A suspended machine's clock since boot goes on, as the world does.

namespace treadle {

// Injected wherever time matters, so that tests and the simulator own it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Service time in milliseconds: never goes back.
  virtual int64_t NowMs() const = 0;
  // Unix time minus service time.
  virtual int64_t WallOffsetMs() const { return 0; }
  // Unix time in milliseconds, as the machine has it. May be set, forwards and backwards.
  int64_t WallMs() const { return NowMs() + WallOffsetMs(); }
};

// The machine's own clocks.
class MachineClock {
 public:
  virtual ~MachineClock() = default;
  virtual int64_t SinceBootMs() const = 0;  // not set by anybody; suspended time counts
  virtual int64_t UnixMs() const = 0;       // the wall clock
  virtual std::string BootId() const = 0;   // another one after each boot; empty: not known
};

class SystemMachineClock final : public MachineClock {
 public:
  int64_t SinceBootMs() const override;
  int64_t UnixMs() const override;
  std::string BootId() const override;
};

// All clocks at one moment: what a store keeps, so that its next run knows where to go on.
struct ClockMark {
  int64_t now_ms = 0;
  int64_t wall_ms = 0;
  int64_t since_boot_ms = 0;
  std::string boot_id;

  bool operator==(const ClockMark&) const = default;
};

// The clock of a broker, its store and its edge.
class ServiceClock : public Clock {
 public:
  // A longer time between two runs, by the wall clock alone, is taken for a clock that was set.
  static constexpr int64_t kDowntimeMsMax = int64_t{31} * 24 * 3'600 * 1'000;
  // The offset follows the wall clock when they are this far apart: it does not change with each
  // millisecond of a clock that is slewed.
  static constexpr int64_t kFollowMs = 20;
  // Larger changes are steps: somebody has set the clock, and is told what follows from it.
  static constexpr int64_t kStepMs = 1'000;

  // `machine` outlives it. `tell` gets what the operator should know, when the clock was set.
  using Tell = std::function<void(const std::string& news)>;
  explicit ServiceClock(const MachineClock& machine, Tell tell = nullptr);

  // Before Continue: INT64_MIN. Nothing has expired that early: so a store may be opened before it
  // is known what time it is for it.
  int64_t NowMs() const override;
  int64_t WallOffsetMs() const override { return offset_ms_.load(std::memory_order_relaxed); }

  // Goes on from where the store's last run stopped; absent: a new store.
  void Continue(const std::optional<ClockMark>& last);
  // Looks at the wall clock again. True: it was set since the last look. One thread.
  bool Follow();
  ClockMark Mark() const;

 private:
  const MachineClock& machine_;
  const Tell tell_;
  const std::string boot_id_;
  std::atomic<bool> runs_ = false;
  std::atomic<int64_t> base_ms_ = 0;  // service time minus time since boot
  std::atomic<int64_t> offset_ms_ = 0;
};

}  // namespace treadle
