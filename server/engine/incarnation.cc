#include "server/engine/incarnation.h"

namespace treadle::engine {
namespace {

constexpr int64_t kEpochMs = 1'577'836'800'000;  // 2020-01-01
constexpr int64_t kFirstMs = 1'767'225'600'000;  // 2026-01-01
constexpr int kTimeBits = 42;
constexpr int kRandomBits = 11;
constexpr int kTimelessBits = 48;

static_assert((kFirstMs - kEpochMs) << kRandomBits >= int64_t{1} << kTimelessBits,
              "a life that knows the time begins above all that do not");

constexpr uint64_t Lowest(uint64_t number, int bits) {
  return number & ((uint64_t{1} << bits) - 1);
}

}  // namespace

Incarnation IncarnationAt(int64_t wall_ms, uint64_t random) {
  if (wall_ms < kFirstMs || wall_ms >= kEpochMs + (int64_t{1} << kTimeBits)) {
    return Incarnation{Lowest(random, kTimelessBits) | 1};  // never 0
  }
  const uint64_t time = static_cast<uint64_t>(wall_ms - kEpochMs);
  return Incarnation{time << kRandomBits | Lowest(random, kRandomBits)};
}

}  // namespace treadle::engine
