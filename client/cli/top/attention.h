#pragma once

#include <string>
#include <vector>

#include "client/cli/top/snapshot.h"
#include "client/cli/top/trends.h"

namespace treadle::cli::top {

// Something that somebody should look at, in a sentence.
struct Attention {
  // In the order in which they are told.
  enum class Kind {
    kDiskHung,
    kUnserved,     // tasks wait in a queue that no worker takes tasks from
    kStuck,        // none of a queue's tasks runs or ends, though it is served
    kFull,         // a queue has no room: submits wait, or are refused
    kWorkerAway,   // a worker's connection is lost
    kQuarantined,  // a worker gets no tasks, because its attempts failed
    kCircuitOpen,  // too many attempts failed in a queue
    kPaused,       // tasks wait in a queue that is paused
    kDeadLetters,
    kClosed
  };
  Kind kind = Kind::kDiskHung;
  // It keeps tasks from running, or from being taken.
  bool urgent = false;
  std::string text;
};

// At most one of each kind, however many queues and workers it is about.
std::vector<Attention> NeedsAttention(const Snapshot& snapshot, const Trends::Growth& dead);

}  // namespace treadle::cli::top
