#include "treadle/internal/chunk.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "treadle/v1/task.pb.h"

namespace treadle::internal {

ChunkWriter::ChunkWriter() : chunk_(std::make_unique<v1::Chunk>()) {}

ChunkWriter::~ChunkWriter() = default;

absl::Status ChunkWriter::Add(Payload item) {
  if (chunk_->items().empty()) {
    chunk_->set_content_type(std::move(item.content_type));
  } else if (chunk_->content_type() != item.content_type) {
    return absl::InvalidArgumentError(absl::StrCat(
        "content_type '", item.content_type, "' stands beside '", chunk_->content_type(),
        "' in one chunk: use one encoding, or a chunksize of 1"));
  }
  chunk_->add_items(std::move(item.bytes));
  return absl::OkStatus();
}

absl::StatusOr<Payload> ChunkWriter::Finish() { return Codec<v1::Chunk>::Encode(*chunk_); }

absl::StatusOr<std::vector<Payload>> ReadChunk(const Payload& results, size_t items) {
  absl::StatusOr<v1::Chunk> chunk = Codec<v1::Chunk>::Decode(results.bytes, results.content_type);
  if (!chunk.ok()) return chunk.status();
  if (static_cast<size_t>(chunk->items_size()) != items) {
    return absl::InternalError(absl::StrCat("the worker answered a chunk of ", items,
                                            " calls with ", chunk->items_size(), " results"));
  }
  std::vector<Payload> payloads;
  payloads.reserve(items);
  for (std::string& item : *chunk->mutable_items()) {
    payloads.emplace_back(std::move(item), chunk->content_type());
  }
  return payloads;
}

}  // namespace treadle::internal
