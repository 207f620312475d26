#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

#include "proto/wire/disk_hung.h"
#include "server/store/store.h"

namespace treadle::rpc {

// Tells of a disk that hangs: what waits for it waits without a word otherwise. In the log after
// kHungMs, then twice a minute, and when it is over; to whoever asks for the server's health; and
// to those who wait. One thread, but HungMs.
class DiskWatch {
 public:
  static constexpr int64_t kLookMs = 500;
  static constexpr int64_t kHungMs = wire::kDiskHungMs;
  static constexpr int64_t kSayAgainMs = 30'000;

  // Who is told. `serves`: when that changes. `hangs`: at each look while it hangs.
  struct Told {
    std::function<void(bool serves)> serves;
    std::function<void(int64_t now_ms, int64_t hung_ms)> hangs;
  };
  // The store outlives it.
  DiskWatch(const store::Store& store, Told told);

  // To be called every kLookMs. Twice that between two calls was a pause of this process, in which
  // the disk could not be seen to answer.
  void Look(int64_t now_ms);

  // For how long the disk has not answered, kHungMs at least; 0: it does. Any thread.
  int64_t HungMs(int64_t now_ms) const;

 private:
  static constexpr int64_t kAnswers = std::numeric_limits<int64_t>::max();

  void Hangs(int64_t busy_since_ms, int64_t now_ms);
  void Answers(int64_t now_ms);

  const store::Store& store_;
  const Told told_;
  int64_t looked_at_ms_ = std::numeric_limits<int64_t>::min() / 2;
  int64_t awake_since_ms_ = 0;
  std::atomic<int64_t> hung_since_ms_ = kAnswers;
  int64_t said_at_ms_ = 0;
};

}  // namespace treadle::rpc
