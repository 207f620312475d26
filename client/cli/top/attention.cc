#include "client/cli/top/attention.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_join.h"
#include "client/cli/console/human.h"
#include <fmt/format.h>

#include "proto/wire/disk_hung.h"

namespace treadle::cli::top {
namespace {

using Kind = Attention::Kind;

// A task waits for so long between two of a busy worker's; longer than that is worth a word.
constexpr int64_t kUnservedMs = 3'000;
constexpr int64_t kStuckMs = 30'000;
constexpr size_t kNamesMax = 3;

std::string Quoted(const std::string& name) { return "'" + Printable(name) + "'"; }

// "'mail', 'sms', 'push' and 4 more".
std::string Names(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesMax);
  std::vector<std::string> quoted;
  for (size_t i = 0; i < shown; i++) quoted.push_back(Quoted(names[i]));
  const std::string more =
      names.size() > shown ? fmt::format(" and {} more", names.size() - shown) : "";
  return absl::StrJoin(quoted, ", ") + more;
}

// Queues of which the same is to be told.
struct Found {
  std::vector<const v1::Queue*> queues;

  void Add(const v1::Queue& queue) { queues.push_back(&queue); }
  bool one() const { return queues.size() == 1; }
  std::string Subject() const {
    std::vector<std::string> names;
    for (const v1::Queue* queue : queues) names.push_back(queue->config().name());
    return (one() ? "queue " : fmt::format("{} queues: ", names.size())) + Names(names);
  }
  std::string Tasks() const {
    int64_t tasks = 0;
    for (const v1::Queue* queue : queues) tasks += queue->stats().queued();
    return HumanCount(tasks, "task") + (tasks == 1 ? " waits" : " wait");
  }
  std::string Oldest() const {
    int64_t oldest_ms = 0;
    for (const v1::Queue* queue : queues) {
      oldest_ms = std::max(oldest_ms, queue->stats().oldest_age_ms());
    }
    return HumanDuration(oldest_ms);
  }
};

bool IsFull(const v1::Queue& queue) {
  const v1::QueueStats& stats = queue.stats();
  return stats.waiting_submitters() > 0 ||
         stats.queued() + stats.scheduled() >= queue.config().max_tasks() ||
         stats.waiting_bytes() >= queue.config().max_bytes();
}

// Workers of the unary calls are in no list: they show in what they do.
bool Moves(const v1::Queue& queue) {
  return queue.stats().running() > 0 || queue.stats().finished_per_second() > 0;
}

std::string FullText(const Found& found) {
  int64_t submitters = 0;
  for (const v1::Queue* queue : found.queues) submitters += queue->stats().waiting_submitters();
  const std::string wait = submitters == 0 ? "submits are refused"
                                           : HumanCount(submitters, "submitter") +
                                                 (submitters == 1 ? " waits" : " wait");
  return fmt::format("{}: no room, {}", found.Subject(), wait);
}

class Survey {
 public:
  explicit Survey(const Snapshot& snapshot) : snapshot_(snapshot) {
    for (const v1::Worker& worker : snapshot.workers) {
      if (!worker.connected()) away_.push_back(worker.name());
      if (!worker.connected() || worker.draining()) continue;
      if (worker.has_quarantine()) quarantined_.push_back(worker.name());
      for (const std::string& queue : worker.queues()) served_.insert(queue);
    }
    for (const v1::Queue& queue : snapshot.queues) Look(queue);
  }

  std::vector<Attention> Tell(const Trends::Growth& dead) const {
    std::vector<Attention> all;
    const auto tell = [&all](Kind kind, bool urgent, std::string text) {
      all.push_back({kind, urgent, std::move(text)});
    };
    if (const int64_t hung_ms = snapshot_.server.disk_hung_ms(); hung_ms > 0) {
      tell(Kind::kDiskHung, true, wire::DiskHungText(hung_ms));
    }
    if (!unserved_.queues.empty()) {
      tell(Kind::kUnserved, true,
           fmt::format("{}: {} and no worker takes {}, the oldest for {}", unserved_.Subject(),
                       unserved_.Tasks(), unserved_.one() ? "from it" : "from them",
                       unserved_.Oldest()));
    }
    if (!stuck_.queues.empty()) {
      tell(Kind::kStuck, true,
           fmt::format("{}: {} and none runs, the oldest for {}", stuck_.Subject(), stuck_.Tasks(),
                       stuck_.Oldest()));
    }
    if (!full_.queues.empty()) tell(Kind::kFull, true, FullText(full_));
    if (!away_.empty()) {
      tell(Kind::kWorkerAway, false, fmt::format("{}: connection lost", Workers(away_)));
    }
    if (!quarantined_.empty()) {
      tell(Kind::kQuarantined, false,
           fmt::format("{}: in quarantine, attempts failed one after the other",
                       Workers(quarantined_)));
    }
    if (!open_.queues.empty()) {
      tell(Kind::kCircuitOpen, true,
           fmt::format("{}: paused by its circuit breaker, {}", open_.Subject(), open_.Tasks()));
    }
    if (!paused_.queues.empty()) {
      tell(Kind::kPaused, false, fmt::format("{}: paused, {}", paused_.Subject(), paused_.Tasks()));
    }
    if (dead.dead_letters > 0) {
      tell(Kind::kDeadLetters, false,
           fmt::format("{} in the last minute, most of them in queue {}",
                       HumanCount(dead.dead_letters, "new dead letter"), Quoted(dead.queue)));
    }
    if (!closed_.queues.empty()) {
      tell(Kind::kClosed, false, closed_.Subject() + ": closed, submits are refused");
    }
    return all;
  }

 private:
  static std::string Workers(const std::vector<std::string>& names) {
    return (names.size() == 1 ? "worker " : fmt::format("{} workers: ", names.size())) +
           Names(names);
  }
  void Look(const v1::Queue& queue) {
    const v1::QueueStats& stats = queue.stats();
    if (queue.closed()) {
      closed_.Add(queue);
    } else if (IsFull(queue)) {
      full_.Add(queue);
    }
    if (queue.paused()) {
      if (queue.circuit_open()) {
        open_.Add(queue);
      } else if (stats.queued() > 0) {
        paused_.Add(queue);
      }
    } else if (stats.queued() > 0 && !Moves(queue)) {
      if (!served_.contains(queue.config().name())) {
        if (stats.oldest_age_ms() >= kUnservedMs) unserved_.Add(queue);
      } else if (stats.oldest_age_ms() >= kStuckMs) {
        stuck_.Add(queue);
      }
    }
  }

  const Snapshot& snapshot_;
  absl::flat_hash_set<std::string_view> served_;
  std::vector<std::string> away_;
  std::vector<std::string> quarantined_;
  Found unserved_;
  Found stuck_;
  Found full_;
  Found open_;
  Found paused_;
  Found closed_;
};

}  // namespace

std::vector<Attention> NeedsAttention(const Snapshot& snapshot, const Trends::Growth& dead) {
  return Survey(snapshot).Tell(dead);
}

}  // namespace treadle::cli::top
