#pragma once

#include <cstdint>
#include <utility>

#include "server/engine/output.h"
#include "server/engine/row.h"

namespace treadle::engine {

// One Step or Tick: when it happens, and where what follows from it goes.
class Turn {
 public:
  Turn(int64_t now_ms, Effects& effects) : now_ms_(now_ms), effects_(effects) {}

  int64_t now_ms() const { return now_ms_; }

  template <typename RowType>
  void Put(RowType&& row) {
    effects_.changes.emplace_back(std::in_place_type<Row>, std::forward<RowType>(row));
  }
  template <typename KeyType>
  void Erase(KeyType&& key) {
    effects_.changes.emplace_back(std::in_place_type<RowKey>, std::forward<KeyType>(key));
  }
  template <typename EventType>
  void Say(Durability after, EventType&& event) {
    effects_.outputs.push_back(Output{after, Event(std::forward<EventType>(event))});
  }

 private:
  const int64_t now_ms_;
  Effects& effects_;
};

}  // namespace treadle::engine
