#pragma once

// The metadata of calls that both ends know by name.

namespace treadle::wire {

// Who makes the call, as he states it: see v1.Action.actor.
inline constexpr char kActorMetadata[] = "treadle-actor";

}  // namespace treadle::wire
