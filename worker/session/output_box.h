#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "proto/support/limits.h"
#include "treadle/v1/worker_service.pb.h"
#include "worker/pool/output.h"

namespace treadle::worker {

using OutputReports = google::protobuf::RepeatedPtrField<v1::OutputReport>;

// What attempts have said, on its way to the broker: numbered 0, 1, 2, ... for each attempt, kept
// until the broker has handled it, and sent again over the next stream when it was not. An attempt
// that says nothing is not in here.
//
// Not thread-safe: the session guards it.
class OutputBox {
 public:
  // What is kept, of one attempt and of all together. What is larger than what is left of the
  // former is taken when there is nothing else of that attempt.
  static constexpr int64_t kAttemptBytesMax = 1 * limits::kMiB;
  static constexpr int64_t kBytesMax = 64 * limits::kMiB;

  // Takes an attempt's next entry. False: there is no room for it; `entry` is as it was, and
  // `room`, if there is one, is called once when there may be.
  bool Add(uint64_t token, OutputEntry& entry, const std::function<void()>& room);
  // The attempt says no more. What it has said is kept on, and who waits for room is called.
  void End(uint64_t token) {
    if (!buffers_.empty()) EndBuffer(token);
  }
  // The lease is over: what was said under it is of no use. Who waits for room is called.
  void Drop(uint64_t token);
  // Drops all but these.
  void DropAllBut(const google::protobuf::RepeatedField<uint64_t>& tokens);

  // What waits to be sent, up to what one message may carry; with each attempt in turn.
  OutputReports Take();
  // Entries that wait to be sent, of all attempts.
  int64_t waiting() const { return waiting_; }
  // The attempt has some of them: the report of its end must not go yet.
  bool WaitsIn(uint64_t token) const;

  // The broker has dealt with the entries below this index.
  void Handled(uint64_t token, uint64_t below_index);
  // The stream is over: what was not handled waits again, in order, for the next.
  void StreamLost();

  int64_t bytes() const { return bytes_; }
  bool empty() const { return buffers_.empty(); }

 private:
  struct Buffer {
    std::deque<v1::OutputEntry> entries;  // not handled
    uint64_t first_index = 0;             // the first one's
    size_t sent = 0;                      // of them, over this stream
    int64_t bytes = 0;                    // of them
    bool ended = false;
    std::vector<std::function<void()>> room_awaited;
  };
  using Buffers = absl::flat_hash_map<uint64_t, std::unique_ptr<Buffer>>;

  bool HasRoom(const Buffer& buffer, int64_t bytes) const;
  void EndBuffer(uint64_t token);
  void Erase(Buffers::iterator at);
  void Forget(Buffer& buffer, size_t count);
  void TellOfRoom(Buffer& buffer);
  void TellAllOfRoom();

  Buffers buffers_;  // by token
  // Tokens of those with entries to send, in turn, and of some that have none any more.
  std::deque<uint64_t> turns_;
  int64_t waiting_ = 0;
  int64_t bytes_ = 0;
  bool full_ = false;  // somebody was refused for all attempts' sake
};

}  // namespace treadle::worker
