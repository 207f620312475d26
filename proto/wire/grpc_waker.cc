#include "proto/wire/grpc_waker.h"

#include "absl/synchronization/notification.h"

namespace treadle::wire {

class GrpcWaker::Call {
 public:
  explicit Call(grpc::GenericStub& stub) {
    stub.UnaryCall(&context_, "/treadle/Wake", grpc::StubOptions(), &request_, &response_,
                   [this](const grpc::Status&) { done_.Notify(); });
  }
  ~Call() { done_.WaitForNotification(); }

  bool done() const { return done_.HasBeenNotified(); }

 private:
  grpc::ClientContext context_;
  grpc::Slice nothing_;
  grpc::ByteBuffer request_{&nothing_, 1};
  grpc::ByteBuffer response_;
  absl::Notification done_;
};

// Without credentials a channel refuses each call at once.
GrpcWaker::GrpcWaker() : stub_(grpc::CreateChannel("", nullptr)) {}
GrpcWaker::~GrpcWaker() = default;

void GrpcWaker::Beat(std::chrono::steady_clock::time_point now) {
  if (now - woken_at_ < kEvery || (call_ != nullptr && !call_->done())) return;
  woken_at_ = now;
  call_.reset();
  call_ = std::make_unique<Call>(stub_);
}

}  // namespace treadle::wire
