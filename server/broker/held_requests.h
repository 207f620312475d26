#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "server/broker/broker.h"
#include "server/engine/row.h"

namespace treadle::broker {

// What the store knows of a request key whose task is not in memory.
struct KeyLookup {
  std::string queue;
  std::string key;
  bool done = false;
  std::optional<engine::KeyRow> row;
};

// Submits that wait until the store has been asked about their request keys, and what their calls
// asked for after them: so a call's requests happen in order. One thread.
//
// A key that was looked up and then given to a task, by somebody else's submit, is not free any
// more: who looks one up tells of every key row that is written meanwhile.
class HeldRequests {
 public:
  struct Held {
    Request request;
    std::shared_ptr<KeyLookup> lookup;  // null: it needs none, as far as was known
    int64_t bytes = 0;                  // that it held when it came
  };

  bool Holds(engine::CallId call) const { return !calls_.empty() && calls_.contains(call); }
  void Hold(engine::CallId call, Request request, std::shared_ptr<KeyLookup> lookup);
  // The next request of a call; null: it has none any more.
  Held* Next(engine::CallId call);
  void Pop(engine::CallId call);
  // In the order of their numbers.
  std::vector<engine::CallId> Calls() const;

  // The lookup of this key that is under way, or a new one.
  std::shared_ptr<KeyLookup> Lookup(std::string_view queue, std::string_view key);
  // Those that are new since the last time: to be read.
  std::vector<std::shared_ptr<KeyLookup>> TakeNew();
  // The store was asked: it has this row, or none. Ignored if one was written meanwhile: that is
  // newer.
  static void Found(KeyLookup& lookup, std::optional<engine::KeyRow> row);
  // A turn writes this row.
  void Written(const engine::KeyRow& row);

  // Of the requests that are held, near enough, as they were when they came.
  int64_t bytes() const { return bytes_; }
  bool empty() const { return calls_.empty(); }

 private:
  std::map<engine::CallId, std::deque<Held>> calls_;
  // By row key; kept while somebody waits for it.
  absl::flat_hash_map<std::string, std::weak_ptr<KeyLookup>> lookups_;
  std::vector<std::shared_ptr<KeyLookup>> new_;
  int64_t bytes_ = 0;
};

}  // namespace treadle::broker
