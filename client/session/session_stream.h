#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "google/protobuf/arena.h"
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include "treadle/v1/task_service.pb.h"

namespace treadle::client {

// A message from the broker. It lives on an arena: thousands of outcomes then cost a few blocks.
struct IncomingMessage {
  IncomingMessage();

  google::protobuf::Arena arena;
  v1::SessionResponse* const response;
};

// What a stream tells its owner. Called on gRPC's few shared threads: hand over and return.
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
// encoded already. Methods are called by one thread, the owner's, up to Close; the owner destroys
// it after OnEnded.
class SessionStream final : private grpc::ClientBidiReactor<grpc::ByteBuffer, v1::SessionResponse> {
 public:
  // `events` outlives it. Starts the call.
  SessionStream(const std::shared_ptr<grpc::Channel>& channel, StreamEvents& events);

  // REQUIRES: the one before is written.
  void Write(std::string message);
  // REQUIRES: OnMessage returned false.
  void ReadOn();
  // Tells the broker that nothing more will be written. REQUIRES: nothing is being written.
  void WritesDone();
  // Breaks the stream.
  void Cancel();
  // Once, after OnBroken. A message that is still being written may be stuck: Cancel first then.
  void Close();

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  StreamEvents& events_;
  grpc::ClientContext context_;
  grpc::ByteBuffer outgoing_;
  std::unique_ptr<IncomingMessage> incoming_;
};

}  // namespace treadle::client
