#pragma once

#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle::worker {

// One Attach call, from its beginning to its end, over a connection of its own.
//
// Destroyed by its owner after Ended was called, and never in a call from gRPC: when the process's
// last channel goes, gRPC 1.51 joins the threads that such calls come from.
class AttachStream final : public grpc::ClientBidiReactor<v1::AttachRequest, v1::AttachResponse> {
 public:
  // Called from gRPC's threads, which must not wait there. One call of Received, of Written and of
  // Ended at a time each, but they may come at the same time; Ended comes last.
  class Listener {
   public:
    virtual ~Listener() = default;
    // May take the response's parts.
    virtual void Received(v1::AttachResponse& response) = 0;
    virtual void Written(bool ok) = 0;
    virtual void Ended(const absl::Status& status) = 0;
  };

  // Starts the call, with `hello` as its first message, which must live until Written.
  static std::unique_ptr<AttachStream> Open(std::shared_ptr<grpc::Channel> channel,
                                            std::shared_ptr<Listener> listener,
                                            const v1::AttachRequest& hello);

  // Writes one message, which must live until Written or Ended. False: the stream is over, or will
  // be, and the message is not sent. REQUIRES: no other is being written.
  bool Write(const v1::AttachRequest& message);
  // Nothing more will be written: the broker ends the call then. REQUIRES: as Write.
  void WritesDone();
  // Ends the call from this side, soon. Thread-safe.
  void Cancel() { context_.TryCancel(); }

 private:
  AttachStream(std::shared_ptr<grpc::Channel> channel, std::shared_ptr<Listener> listener);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void LetGo();

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  const std::shared_ptr<Listener> listener_;
  grpc::ClientContext context_;
  v1::AttachResponse response_;  // being read, or looked at by Received

  std::mutex mutex_;
  // Holds the call for writes that begin outside of reactions. GUARDED_BY(mutex_)
  bool held_ = true;
};

}  // namespace treadle::worker
