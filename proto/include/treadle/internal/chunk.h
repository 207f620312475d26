#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"

// Several calls in one task, as v1::Chunk says.

namespace treadle::v1 {
class Chunk;
}  // namespace treadle::v1

namespace treadle::internal {

inline constexpr std::string_view kChunkContentType =
    "application/x-protobuf; type=treadle.v1.Chunk";

// Calls' arguments, or their results, one by one.
class ChunkWriter {
 public:
  ChunkWriter();
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  // INVALID_ARGUMENT: its content type differs from that of the others.
  absl::Status Add(Payload item);
  absl::StatusOr<Payload> Finish();

 private:
  const std::unique_ptr<v1::Chunk> chunk_;
};

// What a worker answered, call by call. INTERNAL: it answered a chunk of `items` calls with another
// number of results.
absl::StatusOr<std::vector<Payload>> ReadChunk(const Payload& results, size_t items);

}  // namespace treadle::internal
