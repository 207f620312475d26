#include "treadle/internal/chunk.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace treadle {

absl::Status AppendToChunk(v1::Chunk& chunk, Payload arguments) {
  if (chunk.items().empty()) {
    chunk.set_content_type(std::move(arguments.content_type));
  } else if (chunk.content_type() != arguments.content_type) {
    return absl::InvalidArgumentError(absl::StrCat(
        "content_type '", arguments.content_type, "' stands beside '", chunk.content_type(),
        "' in one chunk: use one encoding, or a chunksize of 1"));
  }
  chunk.add_items(std::move(arguments.bytes));
  return absl::OkStatus();
}

absl::StatusOr<v1::Chunk> CheckChunk(absl::StatusOr<v1::Chunk> results, size_t items) {
  if (!results.ok() || static_cast<size_t>(results->items_size()) == items) return results;
  return absl::InternalError(absl::StrCat("the worker answered a chunk of ", items, " calls with ",
                                          results->items_size(), " results"));
}

}  // namespace treadle
