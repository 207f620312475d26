#pragma once

#include <memory>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/async_stream.h>

#include "proto/wire/event_queue.h"

namespace treadle::wire {

// One call with a stream of messages each way, from its start to its end, on a queue whose owner's
// thread does all that is here and is told all that happens.
template <typename Request, typename Response>
class StreamingCall {
 public:
  using Call = std::unique_ptr<grpc::ClientAsyncReaderWriter<Request, Response>>;

  StreamingCall(const StreamingCall&) = delete;
  StreamingCall& operator=(const StreamingCall&) = delete;

  // Breaks it. Any thread.
  void Cancel() { context_.TryCancel(); }

 protected:
  // The first message takes along what opens the call.
  StreamingCall() { context_.set_initial_metadata_corked(true); }
  // REQUIRES: it has not begun, or OnEnded was called.
  ~StreamingCall() = default;

  grpc::ClientContext& context() { return context_; }
  // With `call` prepared with the context.
  void Start(Call call) {
    call_ = std::move(call);
    call_->StartCall(nullptr);
  }
  // Of each kind one at a time. The first is a write.
  void StartWrite(const Request& message) { call_->Write(message, Begin(write_)); }
  void StartRead(Response* message) { call_->Read(message, Begin(read_)); }
  void StartWritesDone() { call_->WritesDone(Begin(writes_done_)); }
  // Once, after a read that failed. A message that is still being written may be stuck.
  void Finish() { call_->Finish(&status_, Begin(finish_)); }

  virtual void OnRead(bool ok) = 0;
  virtual void OnWritten(bool ok) = 0;
  // The last event, after Finish.
  virtual void OnEnded(const grpc::Status& status) = 0;

 private:
  void* Begin(EventQueue::Event& event) {
    ++under_way_;
    return &event;
  }
  void ReadEnded(bool ok) {
    OnRead(ok);
    EndOne();
  }
  void WriteEnded(bool ok) {
    OnWritten(ok);
    EndOne();
  }
  void WritesDoneEnded(bool) { EndOne(); }
  void FinishEnded(bool) {
    finished_ = true;
    EndOne();
  }
  void EndOne() {
    if (--under_way_ == 0 && finished_) OnEnded(status_);
  }

  grpc::ClientContext context_;
  Call call_;
  grpc::Status status_;
  bool finished_ = false;
  int under_way_ = 0;
  EventOf<StreamingCall, &StreamingCall::ReadEnded> read_{*this};
  EventOf<StreamingCall, &StreamingCall::WriteEnded> write_{*this};
  EventOf<StreamingCall, &StreamingCall::WritesDoneEnded> writes_done_{*this};
  EventOf<StreamingCall, &StreamingCall::FinishEnded> finish_{*this};
};

}  // namespace treadle::wire
