#pragma once

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "treadle/worker.h"

// A worker inside the example's own process, so that it runs with a broker alone. In earnest it is
// a program of its own, like sum_squares_worker.cc, on as many machines as you like. (In a test it
// is a treadle::testing::LocalWorker.)
class WorkerHere {
 public:
  WorkerHere(std::string broker, std::string queue, std::string name, int concurrency)
      : worker_(Options(std::move(broker), std::move(queue), std::move(name), concurrency)) {}
  ~WorkerHere() {
    worker_.Stop();
    if (thread_.joinable()) thread_.join();
  }

  treadle::Worker* operator->() { return &worker_; }
  // In child processes, which are this program started again, it runs tasks and never returns. So
  // one worker of a program may have handlers in processes.
  void Start() {
    if (treadle::Worker::InChild()) worker_.Run().IgnoreError();
    thread_ = std::thread([this] { worker_.Run().IgnoreError(); });
  }

 private:
  static treadle::WorkerOptions Options(std::string broker, std::string queue, std::string name,
                                        int concurrency) {
    treadle::WorkerOptions options(std::move(broker));
    options.queues = {std::move(queue)};
    options.name = std::move(name);
    options.concurrency = options.processes = concurrency;
    options.prefetch = 0;
    return options;
  }

  treadle::Worker worker_;
  std::thread thread_;
};

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};
