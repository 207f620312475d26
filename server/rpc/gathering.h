#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <grpcpp/support/byte_buffer.h>

#include "proto/support/limits.h"
#include "proto/wire/arrival.h"
#include "server/rpc/message.h"
#include "server/rpc/recycled_message.h"

namespace treadle::rpc {

// A response that grows item by item until it is large enough, or there is nothing more to add.
// Used by one thread.
template <typename Message>
class Gathering {
 public:
  // Its messages become no larger than this, if their items allow; the usual bound at most.
  void BoundBy(int64_t bytes_max) { bytes_max_ = std::min(bytes_max_, bytes_max); }
  // Messages that are larger are announced.
  void AnnounceFrom(int64_t bytes) { announced_bytes_ = std::min(announced_bytes_, bytes); }
  // The message to add items to, of about `bytes` together.
  Message& Add(int64_t bytes, int64_t items = 1) {
    bytes_ += bytes;
    items_ += items;
    return *message_;
  }
  // The message so far, to change what is in it.
  Message& message() { return *message_; }
  bool empty() const { return items_ == 0; }
  // Take it before adding more.
  bool full() const { return bytes_ >= bytes_max_ || items_ >= limits::kBatchTasksMax; }
  // How many bytes and items more it may have.
  int64_t room_bytes() const { return bytes_max_ - bytes_; }
  int64_t room_items() const { return limits::kBatchTasksMax - items_; }
  // An item of so many bytes would make it larger than it should be.
  bool too_full_for(int64_t bytes) const { return !empty() && bytes_ + bytes > bytes_max_; }

  // Gives `send` what was gathered, if anything was; before a large message the word that it comes.
  template <typename Send>
  void Flush(const Send& send) {
    if (empty()) return;
    grpc::ByteBuffer bytes = Take();
    if (const auto length = static_cast<int64_t>(bytes.Length()); length > announced_bytes_) {
      Message announcement;
      announcement.set_arriving_bytes(length);
      send(Serialize(announcement));
    }
    send(std::move(bytes));
  }

 private:
  // The message's bytes; it is then empty.
  grpc::ByteBuffer Take() {
    grpc::ByteBuffer bytes = Serialize(*message_);
    message_.Clear(static_cast<int64_t>(bytes.Length()));
    message_.Release();
    bytes_ = 0;
    items_ = 0;
    return bytes;
  }

  int64_t bytes_max_ = limits::kOutgoingMessageBytes;
  int64_t announced_bytes_ = wire::kAnnouncedBytes;
  RecycledMessage<Message> message_;
  int64_t bytes_ = 0;
  int64_t items_ = 0;
};

}  // namespace treadle::rpc
