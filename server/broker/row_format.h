#pragma once

#include <cstddef>

// What the encoder writes and the decoder expects beside the messages of rows.proto.

namespace treadle::broker {

// The byte after a 't' row's expiry prefix.
enum class TaskRowForm : char { kAccepted = 'T', kFinished = 'F' };
inline constexpr size_t kTaskRowFormBytes = 1;

}  // namespace treadle::broker
