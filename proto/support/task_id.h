#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace treadle {

// Names one task for ever. The broker numbers sessions (each client's session, and one of its own
// at each start for unary submits); the session's owner numbers its tasks from 1. So ids need no
// counter that is written for each task, and a client knows a task's id before the broker has
// answered.
//
// Text form: "<session>-<sequence>", both in Crockford's base 32 in lower case without leading
// zeros: "cnsef1k6a7-1k9".
struct TaskId {
  uint64_t session = 0;
  uint64_t sequence = 0;

  auto operator<=>(const TaskId&) const = default;

  template <typename H>
  friend H AbslHashValue(H state, const TaskId& id) {
    return H::combine(std::move(state), id.session, id.sequence);
  }

  std::string ToString() const;
  // Accepts what ToString gives and nothing else: one spelling for each id. INVALID_ARGUMENT
  // otherwise.
  static absl::StatusOr<TaskId> Parse(std::string_view text);
};

// The same text form of a number alone: a session's, or a job's, which are numbered along with
// sessions. REQUIRES: not 0.
std::string NumberText(uint64_t number);
// Absent: it is not what NumberText gives.
std::optional<uint64_t> ParseNumber(std::string_view text);

}  // namespace treadle
