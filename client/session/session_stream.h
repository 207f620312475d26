#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "google/protobuf/arena.h"
#include <grpcpp/grpcpp.h>

#include "proto/wire/event_queue.h"
#include "proto/wire/streaming_call.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::client {

// A message from the broker. It lives on an arena: thousands of outcomes then cost a few blocks.
struct IncomingMessage {
  IncomingMessage();

  google::protobuf::Arena arena;
  v1::SessionResponse* const response;
};

// What a stream tells its owner, on its owner's thread, which waits at the queue.
class StreamEvents {
 public:
  // False: the stream reads no further until ReadOn.
  virtual bool OnMessage(std::unique_ptr<IncomingMessage> message) = 0;
  // The message given to Write is on its way; the next may be written.
  virtual void OnWritten() = 0;
  // No message will come any more. The owner calls Close.
  virtual void OnBroken() = 0;
  // The last event, after Close.
  virtual void OnEnded(absl::Status status) = 0;

 protected:
  ~StreamEvents() = default;
};

// One TaskService.Session call, from its start to its end. Messages go out as bytes that are
// encoded already. All happens on one thread, the owner's; it destroys this after OnEnded.
class SessionStream final : private wire::StreamingCall<grpc::ByteBuffer, v1::SessionResponse> {
 public:
  // Both outlive it. The call starts with the first Write.
  SessionStream(const std::shared_ptr<grpc::Channel>& channel, wire::EventQueue& queue,
                StreamEvents& events);

  // REQUIRES: the one before is written.
  void Write(std::string message);
  // REQUIRES: OnMessage returned false.
  void ReadOn() { StartRead(incoming_->response); }
  // Tells the broker that nothing more will be written. REQUIRES: nothing is being written.
  void WritesDone() { StartWritesDone(); }
  // Breaks the stream.
  using StreamingCall::Cancel;
  // Once, after OnBroken. A message that is still being written may be stuck: Cancel first then.
  void Close() { Finish(); }

 private:
  void OnRead(bool ok) override;
  void OnWritten(bool ok) override;
  void OnEnded(const grpc::Status& status) override;

  StreamEvents& events_;
  std::unique_ptr<IncomingMessage> incoming_;
  bool begun_ = false;
};

}  // namespace treadle::client
