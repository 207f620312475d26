#pragma once

#include <mutex>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "server/broker/broker.h"

namespace treadle::broker {

// One stream's way to the broker: reads one message at a time, posts what it says, in order, and
// reads no further while the broker has no room, so that the transport holds the peer back. What
// it has read is taken in any case, but for the first message: so streams that are opened and left
// again and again go beyond no bound.
//
// Knows nothing of the transport but how to ask it for the next message. Thread-safe: messages, the
// outbox's deliveries and the stream's end come on different threads.
class StreamInput {
 public:
  // The broker outlives it. `read` asks for the next message; it is called on whichever thread lets
  // reading go on, once for each message. All that is posted goes into `lane`.
  StreamInput(Intake& broker, engine::CallId call, Lane lane, absl::AnyInvocable<void()> read);

  // Asks for the first message. Once.
  void Begin() { Resume(); }
  // No further message is read until Resume, which any thread may call, once for each Hold.
  // REQUIRES: reading is held, as it is from a message's arrival until it was handled.
  void Hold();
  void Resume();
  // A message has arrived: reading is held, and the caller calls Resume when it has handled it.
  void Arrived() { Hold(); }
  // True: it waits for this end, not for its peer.
  bool held() const;

  // Hands the requests over. Reading goes on when the broker has room for more: give what the
  // outbox then brings (ReadOn) to Resume. UNAVAILABLE: the broker has stopped. RESOURCE_EXHAUSTED:
  // it has no room for a stream's first requests. Where the first are refused the stream is to end:
  // it reads no more, and nothing was taken. After that, or Close, it does nothing. REQUIRES:
  // reading is held.
  absl::Status Post(std::vector<Request> requests);
  // The stream is over: nothing more is read, and `last` is the last that it posts, whatever other
  // threads are about to; nothing if it has posted nothing. The first call counts.
  void Close(std::vector<Request> last);

 private:
  Intake& broker_;
  const engine::CallId call_;
  const Lane lane_;
  absl::AnyInvocable<void()> read_;

  mutable std::mutex mutex_;
  int holds_ = 1;  // until Begin; 0: a message was asked for
  bool posted_ = false;
  bool closed_ = false;
};

}  // namespace treadle::broker
