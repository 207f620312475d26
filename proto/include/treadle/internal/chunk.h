#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/v1/task.pb.h"

// Several calls in one task, as v1::Chunk says.

namespace treadle {

inline constexpr std::string_view kChunkContentType =
    "application/x-protobuf; type=treadle.v1.Chunk";

// Adds one call's arguments. INVALID_ARGUMENT: its content type differs from that of the others.
absl::Status AppendToChunk(v1::Chunk& chunk, Payload arguments);

// INTERNAL: the worker answered a chunk of `items` calls with another number of results.
absl::StatusOr<v1::Chunk> CheckChunk(absl::StatusOr<v1::Chunk> results, size_t items);

}  // namespace treadle
