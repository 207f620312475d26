#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "server/engine/holder.h"

namespace treadle::engine {

// Workers by id, and polls by call.
class HolderTable {
 public:
  using Workers = std::map<std::string, std::unique_ptr<Worker>, std::less<>>;

  Worker* FindWorker(std::string_view id) const {
    const auto found = workers_.find(id);
    return found == workers_.end() ? nullptr : found->second.get();
  }
  Worker& AddWorker(const std::string& id) {
    return *workers_.emplace(id, std::make_unique<Worker>(id)).first->second;
  }
  void EraseWorker(const Worker& worker) { workers_.erase(workers_.find(worker.id)); }

  Poll& AddPoll(CallId call) {
    std::unique_ptr<Poll>& poll = polls_[call];
    poll = std::make_unique<Poll>();
    poll->call = call;
    return *poll;
  }
  void ErasePoll(const Poll& poll) { polls_.erase(poll.call); }

  // Workers without stream and without leases are forgotten at the end of the step: whoever walks
  // through a worker's leases may end the last one.
  void RetireLater(Worker& worker) {
    if (worker.retiring) return;
    worker.retiring = true;
    retiring_.push_back(&worker);
  }
  std::vector<Worker*> TakeRetiring() { return std::exchange(retiring_, {}); }

  const Workers& workers() const { return workers_; }
  size_t poll_count() const { return polls_.size(); }

 private:
  Workers workers_;
  absl::flat_hash_map<CallId, std::unique_ptr<Poll>> polls_;
  std::vector<Worker*> retiring_;
};

}  // namespace treadle::engine
