#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include <grpcpp/grpcpp.h>

#include "treadle/codec.h"
#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle::test {

// A worker of the unary kind: leases, runs and completes tasks of one queue on a thread of its own,
// and waits for the broker whenever it is away.
class UnaryWorker {
 public:
  // An error becomes a failed attempt of type ErrorType(code).
  using Handler = std::function<absl::StatusOr<Payload>(const v1::LeasedTask&)>;

  UnaryWorker(const std::string& address, std::string queue, Handler handler);
  ~UnaryWorker();

 private:
  void Run();
  v1::AttemptReport RunTask(const v1::LeasedTask& task);

  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  const std::string queue_;
  const Handler handler_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace treadle::test
