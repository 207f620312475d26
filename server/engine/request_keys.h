#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "server/engine/types.h"
#include "server/engine/waiter.h"

namespace treadle::engine {

// Request keys of what is in memory: submits that wait for room, unfinished tasks, and tasks that
// finished in this turn (the store learns of those only at the turn's end).
class RequestKeys {
 public:
  struct Entry {
    TaskId task;
    ContentDigest digest;
    Waiter* waiter = nullptr;  // it waits for room still
  };

  // Null: not known here. Valid until the next change.
  Entry* Find(std::string_view queue, std::string_view key) {
    const auto found = entries_.find(Joined(queue, key));
    return found == entries_.end() ? nullptr : &found->second;
  }
  bool Contains(std::string_view queue, std::string_view key) const {
    return entries_.contains(Joined(queue, key));
  }
  // False: the key is there already.
  bool Add(std::string_view queue, std::string_view key, const Entry& entry) {
    return entries_.emplace(Joined(queue, key), entry).second;
  }
  void Remove(std::string_view queue, std::string_view key) { entries_.erase(Joined(queue, key)); }
  // The key's task has finished: it answers until the turn ends.
  void Finish(std::string_view queue, std::string_view key) {
    finished_.push_back(Joined(queue, key));
  }
  void EndTurn() {
    for (const std::string& joined : finished_) entries_.erase(joined);
    finished_.clear();
  }
  size_t size() const { return entries_.size(); }

 private:
  // Queue names have no control characters, so the first NUL ends the queue's.
  static std::string Joined(std::string_view queue, std::string_view key) {
    std::string joined;
    joined.reserve(queue.size() + 1 + key.size());
    joined.append(queue).push_back('\0');
    joined.append(key);
    return joined;
  }

  absl::flat_hash_map<std::string, Entry> entries_;
  std::vector<std::string> finished_;
};

}  // namespace treadle::engine
