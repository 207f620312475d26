#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/engine/intrusive_list.h"
#include "server/engine/types.h"

// What attempts that have ended say of the worker that made them: see quarantines.h.

namespace treadle::engine {

struct AwayHealthTag;

// Attempts of one queue and type that have ended.
struct AttemptScore {
  int64_t succeeded = 0;
  int64_t failed = 0;  // of one worker's failures in a row only the first ones
};

struct WorkerHealth : ListNode<AwayHealthTag> {
  explicit WorkerHealth(std::string id) : worker_id(std::move(id)) {}

  // The worker's attempts of one queue and type that failed since one of its attempts succeeded:
  // the first one, and those that were leased after it.
  struct Failures {
    std::shared_ptr<AttemptScore> score;  // of the queue and type
    AttemptScore before;                  // as it was
    int64_t since_ms = 0;                 // when the first one failed
    int64_t failed = 0;
    int64_t blamed = 0;  // of these: those for which others had succeeded half as often by then
  };
  // Failures of still more queues and types are passed over.
  static constexpr size_t kFailuresMax = 8;

  const std::string worker_id;
  Name worker_name;
  std::vector<Failures> failures;
  // The last failure.
  Name queue;
  Name type;
  TaskError error;
  std::optional<Quarantine> quarantine;
};

// By worker id, of those that had a failure. What is known of workers that are gone is kept for
// those that come back, of the latest kAwayMax.
class HealthTable {
 public:
  static constexpr int64_t kAwayMax = 1'000;

  WorkerHealth* Find(std::string_view worker_id) const {
    const auto found = all_.find(worker_id);
    return found == all_.end() ? nullptr : found->second.get();
  }
  WorkerHealth& Obtain(const std::string& worker_id) {
    std::unique_ptr<WorkerHealth>& health = all_[worker_id];
    if (health == nullptr) health = std::make_unique<WorkerHealth>(worker_id);
    return *health;
  }
  void PutAside(WorkerHealth& health) {
    if (health.failures.empty() && !health.quarantine.has_value()) return Erase(health);
    away_.PushBack(health);
    if (++away_count_ > kAwayMax) Erase(away_.front());
  }
  void TakeBack(WorkerHealth& health) {
    if (!health.linked()) return;
    health.Unlink();
    --away_count_;
  }

  void Begin(WorkerHealth& health, Quarantine quarantine) {
    health.quarantine = std::move(quarantine);
    ++quarantined_;
  }
  void End(WorkerHealth& health) {
    if (std::exchange(health.quarantine, std::nullopt).has_value()) --quarantined_;
    health.failures.clear();
  }
  int64_t quarantined() const { return quarantined_; }

  const std::map<std::string, std::unique_ptr<WorkerHealth>, std::less<>>& all() const {
    return all_;
  }

 private:
  void Erase(WorkerHealth& health) {
    End(health);
    TakeBack(health);
    all_.erase(health.worker_id);
  }

  std::map<std::string, std::unique_ptr<WorkerHealth>, std::less<>> all_;
  List<WorkerHealth, AwayHealthTag> away_;
  int64_t away_count_ = 0;
  int64_t quarantined_ = 0;
};

}  // namespace treadle::engine
