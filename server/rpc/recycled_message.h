#pragma once

#include <cstdint>
#include <memory>

namespace treadle::rpc {

// A message that is filled again and again: what it has allocated for one filling serves the next.
// Now and then it begins anew, so that what it keeps has a bound: some ten times kRecycledBytesMax.
// Used by one thread.
template <typename Message>
class RecycledMessage {
 public:
  Message& operator*() { return *message_; }
  Message* operator->() { return message_.get(); }

  // Empties it. `bytes`: about what it held, or is to hold; each filling is counted once.
  void Clear(int64_t bytes) {
    bytes_since_new_ += bytes;
    if (bytes_since_new_ > kRecycledBytesMax) {
      message_ = std::make_unique<Message>();
      bytes_since_new_ = 0;
    } else {
      message_->Clear();
    }
  }

 private:
  // Bytes that go through it in one life: each may have left room for as many behind.
  static constexpr int64_t kRecycledBytesMax = int64_t{4} << 20;

  std::unique_ptr<Message> message_ = std::make_unique<Message>();
  int64_t bytes_since_new_ = 0;
};

}  // namespace treadle::rpc
