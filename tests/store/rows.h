#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "server/store/store.h"

namespace treadle::store {

using Rows = std::map<std::string, std::string>;

// Values as a store takes them.
std::string Staying(std::string_view text);
std::string Expiring(int64_t at_ms, std::string_view text);

// Absent: delete.
using Changes = std::vector<std::pair<std::string, std::optional<std::string>>>;
WriteBatch BatchOf(const Changes& changes);

// All that a store shows.
absl::StatusOr<Rows> ScanAll(Store& store);

// Blocks until everything appended so far is durable, or durability is lost. Takes the store's
// SetOnSynced for itself.
class SyncWait {
 public:
  explicit SyncWait(Store& store);
  ~SyncWait();
  absl::StatusOr<Sequence> Sync();

 private:
  struct State;
  Store& store_;
  std::shared_ptr<State> state_;
};

}  // namespace treadle::store
