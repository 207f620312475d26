// broker_bench [TASKS] [BATCH] [FOLDER]
//
// Submit, dispatch, complete, tell: how long the broker's thread needs for a task, with its engine,
// codec and store, and no sockets. TASKS tasks of 100 bytes, SYNCED, in turns of BATCH; on the
// memory store, then on RocksDB under FOLDER (default: a new one in /tmp, removed at the end).

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/store/memory_store.h"
#include "server/store/rocks_store.h"

namespace treadle::broker {
namespace {

using engine::CallId;

constexpr CallId kClient{1};
constexpr CallId kWorker{2};

// The client and the worker, as far as they matter: counts outcomes, keeps leases to complete.
class Ends final : public Outbox {
 public:
  void Release(std::vector<Delivery> deliveries) override {
    for (Delivery& delivery : deliveries) {
      if (auto* leased = std::get_if<Leased>(&delivery)) {
        for (LeasedTask& task : leased->tasks) leases.push_back(task.lease);
      } else if (const auto* opened = std::get_if<engine::SessionOpened>(&delivery)) {
        session = opened->session;
      } else if (std::holds_alternative<OutcomeReady>(delivery)) {
        ++outcomes;
      }
    }
  }
  uint64_t session = 0;
  int64_t outcomes = 0;
  std::vector<engine::Lease> leases;
};

void Measure(store::Store& store, const Clock& clock, int64_t tasks, int64_t batch) {
  Ends ends;
  Broker broker(BrokerOptions{}, clock, store, ends);
  const auto check = [](const absl::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(1);
  };
  const auto turn = [&] { check(broker.Turn().status()); };
  const auto post = [&](std::vector<Request> requests) { check(broker.Post(std::move(requests))); };
  const auto command = [](engine::Command one) { return Request{std::move(one), nullptr}; };

  check(broker.Recover([](int64_t) {}));
  std::vector<Request> opening;
  opening.push_back(command(engine::OpenSession{kClient}));
  opening.push_back(command(engine::AttachWorker{.call = kWorker,
                                                 .worker_id = "bench",
                                                 .queues = {"bench"},
                                                 .pools = {engine::PoolSpec{"thread", 1, {}}}}));
  opening.push_back(command(engine::AddCredit{kWorker, 0, static_cast<int32_t>(2 * batch)}));
  post(std::move(opening));
  while (ends.session == 0) turn();

  const auto body = std::make_shared<const Body>(Body{.bytes = std::string(100, 'x')});
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t cpu_begin = std::clock();
  int64_t submitted = 0;
  while (ends.outcomes < tasks) {
    std::vector<Request> requests;
    requests.reserve(static_cast<size_t>(2 * batch));
    // No more in flight than a client that waits for some outcomes would have.
    while (submitted < tasks && submitted - ends.outcomes < 4 * batch &&
           requests.size() < static_cast<size_t>(batch)) {
      engine::Submit submit{.call = kClient,
                            .item = static_cast<uint64_t>(++submitted),
                            .id = {ends.session, static_cast<uint64_t>(submitted)},
                            .sequenced = true};
      submit.spec.queue = "bench";
      submit.spec.type = "noop";
      submit.spec.payload_bytes = body->bytes.size();
      requests.push_back({engine::Command(std::move(submit)), body});
    }
    for (const engine::Lease& lease : ends.leases) {
      requests.push_back({engine::Command(engine::EndAttempt{
                              .call = kWorker, .task = lease.task, .token = lease.token}),
                          body});
    }
    if (!ends.leases.empty()) {
      requests.push_back(
          command(engine::AddCredit{kWorker, 0, static_cast<int32_t>(ends.leases.size())}));
      ends.leases.clear();
    }
    if (!requests.empty()) {
      requests.push_back(command(engine::Heartbeat{kWorker}));
      post(std::move(requests));
    }
    turn();
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double cpu = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
  std::printf(
      "%-8s %lld tasks, %lld a turn: %.0f tasks/s, %.2f us of time and %.2f us of CPU each\n",
      std::string(store.Kind()).c_str(), static_cast<long long>(tasks),
      static_cast<long long>(batch), static_cast<double>(tasks) / seconds,
      1e6 * seconds / static_cast<double>(tasks), 1e6 * cpu / static_cast<double>(tasks));
}

}  // namespace
}  // namespace treadle::broker

int main(int argc, char** argv) {
  const int64_t tasks = argc > 1 ? std::atoll(argv[1]) : 500'000;
  const int64_t batch = argc > 2 ? std::atoll(argv[2]) : 1'000;
  treadle::SystemClock clock;
  {
    treadle::store::MemoryStore store(clock);
    treadle::broker::Measure(store, clock, tasks, batch);
  }
  const bool own_folder = argc <= 3;
  std::string folder = own_folder ? "/tmp/treadle-bench-XXXXXX" : argv[3];
  if (own_folder && mkdtemp(folder.data()) == nullptr) return 1;
  {
    auto store = treadle::store::RocksStore::Open({.directory = folder + "/data"}, clock);
    if (!store.ok()) {
      std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
      return 1;
    }
    treadle::broker::Measure(**store, clock, tasks, batch);
  }
  if (own_folder) std::filesystem::remove_all(folder);
}
