#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "treadle/stop_reason.h"
#include "worker/pool/process/file_descriptor.h"
#include "worker/pool/process/frame.h"

namespace treadle::worker {

// How a process pool and the child that it spawns find each other: the child has these files, and
// this environment variable with "<start token>/<key>". The token it says first of all, so that the
// pool knows that it talks to the process that it meant.
inline constexpr char kChildVariable[] = "TREADLE_POOL_CHILD";
inline constexpr int kChildSocket = 3;   // frames, both ways
inline constexpr int kChildControl = 4;  // StopOrders, to the child; its end is the parent's end
inline constexpr int kChildPage = 5;     // a ChildPage
inline constexpr int kChildGroups = 6;   // the parent's guard's table, or nothing
inline constexpr int kChildFiles = 7;    // all below are the child's

// What a child says without a word, so that it is known even of one that died: shared memory.
struct ChildPage {
  // The newest run that has begun.
  std::atomic<uint64_t> begun;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

struct StopOrder {
  uint64_t run = 0;
  StopReason reason = StopReason::kNone;
};

// The child's end.
class ParentLink {
 public:
  // True: this process was spawned by a pool, to run its attempts. Thread-safe.
  static bool Exists();
  // What the pool was given as ProcessPoolOptions::child_key. REQUIRES: Exists().
  static std::string Key();
  // REQUIRES: Exists(). Once.
  ParentLink();

  const std::string& token() const { return token_; }
  ChildPage& page() { return *page_; }

  // Waits for the next frame. False: the parent has no more.
  bool Next(Frame& frame);
  // Waits until it is sent. False: the parent is gone. Thread-safe.
  bool Send(FrameKind kind, uint64_t run, std::string_view head, std::string_view body);
  // Waits for the next order. False: the parent is gone.
  bool NextOrder(StopOrder& order);

 private:
  const std::string token_;
  const FileDescriptor socket_{kChildSocket};
  const FileDescriptor control_{kChildControl};
  ChildPage* page_;
  FrameReader reader_;
  std::mutex sending_;
};

}  // namespace treadle::worker
