#include "treadle/internal/run_chunk.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "treadle/internal/chunk.h"
#include "treadle/permanent_error.h"
#include "treadle/v1/task.pb.h"

namespace treadle::worker {

AttemptResult RunChunk(const TaskContext& context, const std::string& payload, ItemHandler handle) {
  absl::StatusOr<v1::Chunk> calls = Codec<v1::Chunk>::Decode(payload, internal::kChunkContentType);
  if (!calls.ok()) return AttemptResult::FromStatus(Permanent(calls.status()));
  internal::ChunkWriter results;
  const int count = calls->items_size();
  for (int i = 0; i < count; ++i) {
    // Looked at so that it does not count as the handler's own look (TaskContext::stop_token).
    if (context.stop_reason() != StopReason::kNone) return AttemptResult::Stopped();
    AttemptResult result = handle(std::move(*calls->mutable_items(i)), calls->content_type());
    if (result.end != AttemptEnd::kSucceeded) {
      absl::StrAppend(&result.error_message, " (call ", i + 1, " of ", count, " in a chunk)");
      return result;
    }
    const absl::Status status =
        results.Add(Payload(std::move(result.bytes), std::move(result.content_type)));
    if (!status.ok()) return AttemptResult::FromStatus(Permanent(status));
  }
  absl::StatusOr<Payload> encoded = results.Finish();
  if (!encoded.ok()) return AttemptResult::FromStatus(encoded.status());
  return AttemptResult::Succeeded(std::move(encoded->bytes), std::move(encoded->content_type));
}

}  // namespace treadle::worker
