#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace treadle::rpc {

// A message that is filled again and again: what it has allocated for one filling serves the next.
// Between two fillings it lies with the thread that gave it back, one for each kind of message, so
// that a stream that is idle keeps nothing. Now and then it begins anew, so that what a thread
// keeps has a bound: some ten times kRecycledBytesMax. Used by one thread at a time.
template <typename Message>
class RecycledMessage {
 public:
  Message& operator*() {
    if (kept_.message == nullptr) kept_ = Obtain();
    return *kept_.message;
  }
  Message* operator->() { return &**this; }

  // Empties it. `bytes`: about what it held, or is to hold; each filling is counted once.
  void Clear(int64_t bytes) {
    (**this).Clear();
    kept_.bytes_since_new += bytes;
    if (kept_.bytes_since_new > kRecycledBytesMax) kept_ = {std::make_unique<Message>()};
  }
  // It is not needed until it is filled again.
  void Release() {
    if (kept_.message == nullptr) return;
    kept_.message->Clear();
    Spare() = std::exchange(kept_, {});
  }

 private:
  // Bytes that go through it in one life: each may have left room for as many behind.
  static constexpr int64_t kRecycledBytesMax = int64_t{4} << 20;

  struct Kept {
    std::unique_ptr<Message> message;
    int64_t bytes_since_new = 0;
  };

  static Kept& Spare() {
    static thread_local Kept spare;
    return spare;
  }
  static Kept Obtain() {
    Kept kept = std::exchange(Spare(), {});
    if (kept.message == nullptr) kept.message = std::make_unique<Message>();
    return kept;
  }

  Kept kept_;
};

}  // namespace treadle::rpc
