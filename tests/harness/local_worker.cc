#include "treadle/testing/local_worker.h"

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace treadle::testing {
namespace {

WorkerOptions Plain(std::string queue, int concurrency) {
  static std::atomic<int> made{0};
  WorkerOptions options;
  options.queues = {std::move(queue)};
  options.name = absl::StrCat("local-worker-", ++made);
  options.concurrency = options.processes = concurrency;
  options.prefetch = 0;
  // What a test leaves running is not what it waits for.
  options.drain_timeout = std::chrono::seconds(5);
  return options;
}

WorkerOptions At(const LocalBroker& broker, WorkerOptions options) {
  options.broker = broker.address();
  if (!options.connect_client) {
    options.connect_client = [address = broker.address()] {
      return Client::Connect(ClientOptions(address));
    };
  }
  return options;
}

}  // namespace

LocalWorker::LocalWorker(const LocalBroker& broker, std::string queue, int concurrency)
    : LocalWorker(broker, Plain(std::move(queue), concurrency)) {}

LocalWorker::LocalWorker(const LocalBroker& broker, std::string queue,
                         const std::function<void(Worker&)>& add)
    : LocalWorker(broker, std::move(queue)) {
  add(worker_);
  Start();
}

LocalWorker::LocalWorker(const LocalBroker& broker, WorkerOptions options)
    : worker_(At(broker, std::move(options))) {}

LocalWorker::~LocalWorker() { Stop().IgnoreError(); }

void LocalWorker::Start() {
  if (Worker::InChild()) worker_.Run().IgnoreError();  // never returns
  thread_ = std::thread([this] { status_ = worker_.Run(); });
}

absl::Status LocalWorker::Stop() {
  if (thread_.joinable()) worker_.Stop();
  return Join();
}

absl::Status LocalWorker::Join() {
  if (thread_.joinable()) thread_.join();
  return status_;
}

void LocalWorker::Kill() {
  if (!thread_.joinable()) return;
  worker_.Abort();
  Join().IgnoreError();
}

}  // namespace treadle::testing
