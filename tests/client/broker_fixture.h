#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/local_server.h"
#include "treadle/treadle.h"
#include "treadle/worker.h"

namespace treadle::test {

// Longer than anything takes, even on a machine that is busy with much else.
inline constexpr std::chrono::seconds kPatience(60);

inline std::unique_ptr<Client> ConnectTo(const std::string& address) {
  ClientOptions options(address);
  options.connect_timeout = kPatience;
  options.call_timeout = kPatience;
  options.name = "client_test";
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

// A worker inside the test, until it is destroyed.
class WorkerThread {
 public:
  WorkerThread(const std::string& address, const std::string& queue, int concurrency,
               const std::function<void(Worker&)>& add_handlers)
      : worker_(Options(address, queue, concurrency)) {
    add_handlers(worker_);
    thread_ = std::thread([this] { worker_.Run().IgnoreError(); });
  }
  ~WorkerThread() {
    worker_.Stop();
    thread_.join();
  }

 private:
  static WorkerOptions Options(const std::string& address, const std::string& queue,
                               int concurrency) {
    WorkerOptions options(address);
    options.queues = {queue};
    options.concurrency = concurrency;
    options.name = "test-worker";
    return options;
  }

  Worker worker_;
  std::thread thread_;
};

// A broker, and a client of it.
class WithBroker : public ::testing::Test {
 protected:
  LocalServer server_;
  std::unique_ptr<Client> client_ = ConnectTo(server_.address());
};

}  // namespace treadle::test
