// Idle workers or clients for tests/bench/run.py: each has a connection and a stream of its own,
// and sends the heartbeats of an idle one. They are bare streams, because what is measured is the
// broker.
//
//   bench_peers workers|clients ADDRESS COUNT     prints "ready" when all are served; until killed
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "proto/support/address.h"
#include "proto/wire/settings.h"
#include "treadle/v1/task_service.grpc.pb.h"
#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle {
namespace {

int64_t HeartbeatOf(const v1::AttachResponse& response) {
  return response.welcome().idle_heartbeat_ms();
}
int64_t HeartbeatOf(const v1::SessionResponse& response) {
  return response.opened().idle_heartbeat_ms();
}

// One stream: says its first message, then an empty one whenever it is told to.
template <typename Request, typename Response>
class Peer final : public grpc::ClientBidiReactor<Request, Response> {
 public:
  Peer(const std::string& address, const Request& first)
      : channel_(wire::NewChannel(*ParseAddress(address))), message_(first) {}

  void Start() {
    this->AddHold();
    this->StartWrite(&message_);
    this->StartRead(&response_);
    this->StartCall();
  }
  void Beat() {
    {
      std::lock_guard lock(mutex_);
      if (writing_) return;
      writing_ = true;
    }
    message_.Clear();
    this->StartWrite(&message_);
  }
  // How often it has to say something.
  int64_t AwaitHeartbeat() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return heartbeat_ms_ > 0; });
    return heartbeat_ms_;
  }

  grpc::ClientContext& context() { return context_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  void OnWriteDone(bool) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      std::lock_guard lock(mutex_);
      if (heartbeat_ms_ == 0) heartbeat_ms_ = HeartbeatOf(response_);
      changed_.notify_one();
    }
    this->StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    std::fprintf(stderr, "bench_peers: a stream ended: %s\n", status.error_message().c_str());
    std::_Exit(1);
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  Request message_;
  Response response_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by mutex_.
  bool writing_ = true;
  int64_t heartbeat_ms_ = 0;
};

using WorkerPeer = Peer<v1::AttachRequest, v1::AttachResponse>;
using ClientPeer = Peer<v1::SessionRequest, v1::SessionResponse>;

std::unique_ptr<WorkerPeer> StartWorker(const std::string& address, int64_t number) {
  v1::AttachRequest first;
  v1::WorkerHello& hello = *first.mutable_hello();
  hello.set_worker_id("idle-" + std::to_string(number));
  hello.set_worker_name("bench");
  hello.add_queues("bench");
  v1::WorkerPool& pool = *hello.add_pools();
  pool.set_name("thread");
  pool.set_slots(8);
  pool.add_types("noop");
  v1::Credit& credit = *first.add_credits();
  credit.set_tasks(8);
  auto peer = std::make_unique<WorkerPeer>(address, first);
  v1::WorkerService::NewStub(peer->channel())->async()->Attach(&peer->context(), peer.get());
  peer->Start();
  return peer;
}

std::unique_ptr<ClientPeer> StartClient(const std::string& address, int64_t) {
  v1::SessionRequest first;
  first.mutable_open()->set_client_name("bench");
  auto peer = std::make_unique<ClientPeer>(address, first);
  v1::TaskService::NewStub(peer->channel())->async()->Session(&peer->context(), peer.get());
  peer->Start();
  return peer;
}

template <typename Start>
void Run(const std::string& address, int64_t count, Start start) {
  constexpr int64_t kAtOnce = 100;  // streams that open at one time
  std::vector<decltype(start(address, 0))> peers;
  int64_t heartbeat_ms = 0;
  for (int64_t i = 0; i < count; i++) {
    peers.push_back(start(address, i));
    if (i >= kAtOnce) heartbeat_ms = peers[static_cast<size_t>(i - kAtOnce)]->AwaitHeartbeat();
  }
  for (const auto& peer : peers) heartbeat_ms = peer->AwaitHeartbeat();
  std::printf("ready\n");
  std::fflush(stdout);
  const std::chrono::microseconds pause(heartbeat_ms * 900 / count);  // a little early
  for (;;) {
    for (const auto& peer : peers) {
      peer->Beat();
      std::this_thread::sleep_for(pause);
    }
  }
}

}  // namespace
}  // namespace treadle

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (argc != 4 || (what != "workers" && what != "clients")) {
    std::fprintf(stderr, "bench_peers: usage: bench_peers workers|clients ADDRESS COUNT\n");
    return 2;
  }
  const int64_t count = std::atoll(argv[3]);
  if (what == "workers") treadle::Run(argv[2], count, treadle::StartWorker);
  if (what == "clients") treadle::Run(argv[2], count, treadle::StartClient);
  return 0;
}
