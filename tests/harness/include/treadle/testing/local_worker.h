#pragma once

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"

#include "treadle/testing/local_broker.h"
#include "treadle/worker.h"

namespace treadle::testing {

// A Worker on a thread of its own, at a LocalBroker that outlives it. Register handlers, then
// Start; it is drained when it goes out of scope.
//
//   LocalWorker worker(*broker, "cpu");
//   worker->Handle(kSquare, Square);
//   worker.Start();
//
// One thread uses it. Handlers in child processes need a main() that makes the same worker again
// (see Worker), which a test program's usual main() does not.
class LocalWorker {
 public:
  // Serves the queue with `concurrency` threads, and fetches nothing ahead.
  explicit LocalWorker(const LocalBroker& broker, std::string queue = "default",
                       int concurrency = 2);
  // With the handlers that `add` registers, and started.
  LocalWorker(const LocalBroker& broker, std::string queue,
              const std::function<void(Worker&)>& add);
  // All as in `options`, but for the broker's address, and handlers' client is one of that broker
  // unless they say another (WorkerOptions::connect_client).
  LocalWorker(const LocalBroker& broker, WorkerOptions options);
  // All as in `options`: for a broker that is reached in another way, over a proxy.
  explicit LocalWorker(WorkerOptions options) : worker_(std::move(options)) {}
  ~LocalWorker();
  LocalWorker(const LocalWorker&) = delete;
  LocalWorker& operator=(const LocalWorker&) = delete;

  Worker& operator*() { return worker_; }
  Worker* operator->() { return &worker_; }

  // Takes tasks from now on. Once.
  void Start();
  // Drains, and returns what Worker::Run has. OK if it was not started.
  absl::Status Stop();
  // Waits until it ends without Stop: an operator drained it, or the broker refused it. Returns
  // what Worker::Run has. OK if it was not started.
  absl::Status Join();
  // As a crash: nothing that it ran is reported, and its leases live on until they expire. The
  // handlers themselves are told to stop, and are waited for as WorkerOptions::stop_grace says.
  void Kill();

 private:
  Worker worker_;
  absl::Status status_;
  std::thread thread_;
};

}  // namespace treadle::testing
