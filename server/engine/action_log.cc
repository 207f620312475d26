#include "server/engine/action_log.h"

#include <utility>

#include "proto/support/limits.h"
#include "server/engine/history.h"

namespace treadle::engine {

void ActionLog::Note(Turn& turn, const std::optional<Actor>& by, ActionKind kind,
                     std::string subject, std::string details, std::string reason) {
  if (!by.has_value()) return;
  const uint64_t number = ++s_.counters.actions;
  s_.counters_dirty = true;
  turn.Put(ActionRow{.number = number,
                     .at_ms = s_.Shown(turn.now_ms()),
                     .kind = kind,
                     .subject = std::move(subject),
                     .details = Cut(std::move(details), limits::kActionDetailsBytesMax),
                     .reason = std::move(reason),
                     .actor = *by});
  if (number > limits::kActionsKept) turn.Erase(ActionKey{number - limits::kActionsKept});
}

}  // namespace treadle::engine
