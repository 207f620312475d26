#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "server/engine/engine.h"
#include "tests/engine/row_store.h"

namespace treadle::engine {

// An engine, its clock, and what a store has of it.
class LiveEngine {
 public:
  void Step(Command command) { engine_->Step(now_ms_, std::move(command), effects_); }
  // Ends the turn; what it led to is returned, and kept as rows.
  Effects Tick() {
    engine_->Tick(now_ms_, effects_);
    rows_.Apply(effects_.changes);
    return std::exchange(effects_, {});
  }
  // Between two turns. Another engine, loaded from the rows, takes the engine's place.
  void Restart() {
    auto loaded = std::make_unique<Engine>(EngineOptions());
    for (const Row& row : rows_.Shuffled(3)) ASSERT_TRUE(loaded->Load(row).ok());
    ASSERT_TRUE(loaded->FinishLoad(now_ms_).ok());
    ASSERT_EQ(loaded->Fingerprint(), engine_->Fingerprint());
    engine_ = std::move(loaded);
  }

  Engine& engine() { return *engine_; }
  const RowStore& rows() const { return rows_; }
  int64_t& now_ms() { return now_ms_; }

 private:
  std::unique_ptr<Engine> engine_ = std::make_unique<Engine>(EngineOptions());
  RowStore rows_;
  Effects effects_;
  int64_t now_ms_ = 1'000;
};

}  // namespace treadle::engine
