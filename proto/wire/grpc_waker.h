#pragma once

#include <chrono>
#include <memory>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

namespace treadle::wire {

// Keeps the threads awake on which gRPC runs its reactors. One of them that has had no event for a
// second naps for 100 ms (CallbackAlternativeCQ in gRPC 1.51's completion_queue_cc.cc), and when
// all of them do the next call sits it out. An event each 400 ms prevents this: whoever had the
// last one naps 600 ms after the next one at the earliest, when the others' naps are over.
//
// The event is the end of a call on a channel that leads nowhere: it costs some 20 us, and no
// socket.
class GrpcWaker {
 public:
  GrpcWaker();
  ~GrpcWaker();  // waits for the call under way
  GrpcWaker(const GrpcWaker&) = delete;
  GrpcWaker& operator=(const GrpcWaker&) = delete;

  static constexpr std::chrono::milliseconds kEvery{400};

  // At least each kEvery. One thread.
  void Beat(std::chrono::steady_clock::time_point now);

 private:
  class Call;

  grpc::GenericStub stub_;
  std::unique_ptr<Call> call_;
  std::chrono::steady_clock::time_point woken_at_{};
};

}  // namespace treadle::wire
