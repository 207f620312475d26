// How long the broker's thread needs for a task, with its engine, codec and store, and no sockets.
// Tasks have 100 bytes and are SYNCED.
//
//   broker_bench flow [TASKS] [BATCH] [FOLDER]
//       submit, dispatch, complete, tell, in turns of BATCH tasks, which are one run; on the memory
//       store, then on RocksDB
//   broker_bench alone [TASKS] [BATCH] [FOLDER]
//       the same, each task submitted alone
//   broker_bench backlog [TASKS] [BATCH] [FOLDER]
//       on RocksDB: the rate without a backlog; then TASKS are submitted first and drained, half of
//       them after a restart; prints both rates, and how long the first lease took
//   broker_bench history [TASKS] [BATCH] [FOLDER]
//       on RocksDB: how long a start takes when TASKS have ended and their outcomes are kept; then
//       100,000 of these are asked for at once: how long that takes, and the longest turn meanwhile
//
// FOLDER is for RocksDB; default: a new one in /tmp, removed at the end.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/store/memory_store.h"
#include "server/store/rocks_store.h"
#include "server/store/write_behind.h"

namespace treadle::broker {
namespace {

using engine::CallId;

constexpr CallId kClient{1};
constexpr CallId kWorker{2};
// A drain that takes longer is cut: it has a rate all the same.
constexpr double kDrainSecondsMax = 20;
// While the store is at work: who turned in circles meanwhile would take the store's threads their
// processor, and count as work what is none.
constexpr auto kIdle = std::chrono::microseconds(20);

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

constexpr uint32_t kTaskBytes = 100;  // of a payload, and of a result

// The client and the worker, as far as they matter: counts answers, keeps leases to complete.
class Ends final : public Outbox {
 public:
  void Release(std::vector<Delivery> deliveries) override {
    for (Delivery& delivery : deliveries) {
      if (auto* leased = std::get_if<Leased>(&delivery)) {
        for (LeasedRun& run : leased->runs) {
          leased_tasks += run.lease.tasks;
          leases.push_back(std::move(run.lease));
        }
      } else if (const auto* opened = std::get_if<engine::SessionOpened>(&delivery)) {
        session = opened->session;
      } else if (const auto* submitted = std::get_if<engine::Submitted>(&delivery)) {
        Check(submitted->status);
        accepted += submitted->tasks;
      } else if (const auto* outcome = std::get_if<OutcomeReady>(&delivery)) {
        outcomes += outcome->row->tasks;
      }
    }
  }
  uint64_t session = 0;
  int64_t accepted = 0;
  int64_t outcomes = 0;
  int64_t leased_tasks = 0;  // of `leases`
  std::vector<engine::Lease> leases;
};

// A broker with one client and one worker.
class Bench {
 public:
  // `run`: how many tasks are submitted together, as one run.
  Bench(store::Store& store, ServiceClock& clock, int64_t batch, int64_t run)
      : batch_(batch), run_(run), broker_(Options(), clock, store, ends_) {
    Check(broker_.Recover(treadle::engine::Incarnation{1}, [](int64_t) {}));
    std::vector<Request> opening;
    opening.push_back(Tell(engine::OpenSession{kClient}));
    opening.push_back(Tell(engine::AttachWorker{.call = kWorker,
                                                .worker_id = "bench",
                                                .queues = {"bench"},
                                                .pools = {engine::PoolSpec{"thread", 1, {}}}}));
    Post(std::move(opening));
    while (ends_.session == 0) Turn();
  }

  // Submits tasks and completes them, with no more in flight than a client that waits for some
  // outcomes would have.
  void Flow(int64_t tasks) {
    const int64_t outcomes = ends_.outcomes + tasks;
    std::vector<Request> requests;
    while (ends_.outcomes < outcomes) {
      const int64_t in_flight = submitted_ - ends_.outcomes;
      AddSubmits(std::min({batch_, 4 * batch_ - in_flight, outcomes - submitted_}), requests);
      AddReports(requests);
      Post(std::exchange(requests, {}));
      Turn();
    }
  }

  // Submits tasks that nobody takes yet.
  void Fill(int64_t tasks) {
    const int64_t accepted = ends_.accepted + tasks;
    std::vector<Request> requests;
    while (ends_.accepted < accepted) {
      AddSubmits(
          std::min(batch_, submitted_ - ends_.accepted > 8 * batch_ ? 0 : accepted - submitted_),
          requests);
      Post(std::exchange(requests, {}));
      Turn();
    }
  }

  // Asks for outcomes of a session's tasks, which have ended, from the first on.
  struct Told {
    double seconds = 0;
    double longest_turn_seconds = 0;
  };
  Told AskForOutcomes(uint64_t session, int64_t outcomes) {
    std::vector<Request> requests;
    for (int64_t i = 1; i <= outcomes; ++i) {
      requests.emplace_back().action = AwaitTask{kClient, {session, static_cast<uint64_t>(i)}};
    }
    const int64_t told = ends_.outcomes + outcomes;
    const double begin = Seconds();
    Post(std::move(requests));
    Told result;
    while (ends_.outcomes < told) {
      const double turn_begin = Seconds();
      Turn();
      result.longest_turn_seconds = std::max(result.longest_turn_seconds, Seconds() - turn_begin);
    }
    result.seconds = Seconds() - begin;
    return result;
  }

  uint64_t session() const { return ends_.session; }

  // Completes `tasks` of those that wait. Returns how many, and in what time.
  struct Drained {
    int64_t tasks = 0;
    double seconds = 0;
    double cpu_seconds = 0;
    double first_lease_seconds = 0;
  };
  Drained Drain(int64_t tasks) {
    const double begin = Seconds();
    const double cpu = CpuSeconds();
    Drained drained;
    std::vector<Request> requests;
    while (drained.tasks < tasks && Seconds() - begin < kDrainSecondsMax) {
      drained.tasks += ends_.leased_tasks;
      if (drained.first_lease_seconds == 0 && !ends_.leases.empty()) {
        drained.first_lease_seconds = Seconds() - begin;
      }
      AddReports(requests);
      Post(std::exchange(requests, {}));
      Turn();
    }
    drained.seconds = Seconds() - begin;
    drained.cpu_seconds = CpuSeconds() - cpu;
    return drained;
  }

 private:
  static BrokerOptions Options() {
    BrokerOptions options;
    options.engine.queue_max_tasks = options.engine.unfinished_tasks_max = 100'000'000;
    options.engine.queue_max_bytes = int64_t{100} << 30;
    return options;
  }
  static Request Tell(engine::Command command) { return Request{std::move(command), nullptr}; }

  void Post(std::vector<Request> requests) {
    if (!requests.empty()) Check(broker_.Post(Lane::kClients, std::move(requests)));
  }
  void Turn() {
    const absl::StatusOr<bool> done = broker_.Turn();
    Check(done.status());
    if (!*done) std::this_thread::sleep_for(kIdle);
  }

  void AddSubmits(int64_t tasks, std::vector<Request>& requests) {
    while (tasks > 0) {
      const int64_t count = std::min(run_, tasks);
      const auto first = static_cast<uint64_t>(submitted_) + 1;
      engine::Submit submit{
          .call = kClient, .item = first, .id = {ends_.session, first}, .sequenced = true};
      submit.spec.queue = "bench";
      submit.spec.type = "noop";
      submit.spec.payload_bytes = static_cast<uint64_t>(count * kTaskBytes);
      if (count > 1) submit.payload_sizes.assign(static_cast<size_t>(count), kTaskBytes);
      requests.push_back({engine::Command(std::move(submit)), Bytes(count)});
      submitted_ += count;
      tasks -= count;
    }
  }

  // Completes what is leased, and asks for as much again.
  void AddReports(std::vector<Request>& requests) {
    for (const engine::Lease& lease : ends_.leases) {
      engine::EndAttempt end{.call = kWorker, .token = lease.token};
      if (lease.tasks > 1) end.result_sizes.assign(lease.tasks, kTaskBytes);
      requests.push_back({engine::Command(std::move(end)), Bytes(lease.tasks)});
    }
    const auto credit = static_cast<int32_t>(has_credit_ ? ends_.leased_tasks : 2 * batch_);
    has_credit_ = true;
    if (credit > 0) {
      requests.push_back(Tell(engine::AddCredit{kWorker, 0, credit}));
      requests.push_back(Tell(engine::Heartbeat{kWorker}));
    }
    ends_.leases.clear();
    ends_.leased_tasks = 0;
  }

  static BodyPtr Bytes(int64_t tasks) {
    return std::make_shared<const Body>(
        Body{.bytes = std::string(static_cast<size_t>(tasks * kTaskBytes), 'x')});
  }

  const int64_t batch_;
  const int64_t run_;
  Ends ends_;
  Broker broker_;
  int64_t submitted_ = 0;
  bool has_credit_ = false;
};

void MeasureFlow(store::Store& store, ServiceClock& clock, int64_t tasks, int64_t batch,
                 int64_t run) {
  Bench bench(store, clock, batch, run);
  const double begin = Seconds();
  const double cpu_begin = CpuSeconds();
  bench.Flow(tasks);
  const double seconds = Seconds() - begin;
  const double cpu = CpuSeconds() - cpu_begin;
  std::printf(
      "%-8s %lld tasks, %lld a turn, %lld in a run: %.0f tasks/s, %.2f us of time and %.2f us of "
      "CPU each\n",
      std::string(store.Kind()).c_str(), static_cast<long long>(tasks),
      static_cast<long long>(batch), static_cast<long long>(run),
      static_cast<double>(tasks) / seconds, 1e6 * seconds / static_cast<double>(tasks),
      1e6 * cpu / static_cast<double>(tasks));
}

std::unique_ptr<store::RocksStore> OpenRocks(const std::string& folder, ServiceClock& clock) {
  auto store = store::RocksStore::Open({.directory = folder + "/data"}, clock);
  Check(store.status());
  return *std::move(store);
}

// As the server does.
std::unique_ptr<store::Store> OpenStore(const std::string& folder, ServiceClock& clock) {
  return std::make_unique<store::WriteBehind>(OpenRocks(folder, clock));
}

void Report(const char* what, const Bench::Drained& drained, double rate_without) {
  const auto tasks = static_cast<double>(drained.tasks);
  const double rate = tasks / drained.seconds;
  std::printf(
      "%-28s %9.0f tasks/s, %.2f of the rate without; %.2f us of CPU each; the first "
      "lease came after %.1f ms\n",
      what, rate, rate / rate_without, 1e6 * drained.cpu_seconds / tasks,
      1e3 * drained.first_lease_seconds);
}

void MeasureBacklog(const std::string& folder, ServiceClock& clock, int64_t tasks, int64_t batch) {
  std::unique_ptr<store::Store> store = OpenStore(folder, clock);
  double rate = 0;
  {
    Bench bench(*store, clock, batch, batch);
    const int64_t flow = std::min<int64_t>(tasks, 500'000);
    const double begin = Seconds();
    bench.Flow(flow);
    rate = static_cast<double>(flow) / (Seconds() - begin);
    std::printf("%-28s %9.0f tasks/s\n", "without a backlog", rate);
    const double fill_begin = Seconds();
    bench.Fill(tasks);
    std::printf("%-28s %9.0f tasks/s\n", "submits alone",
                static_cast<double>(tasks) / (Seconds() - fill_begin));
    Report("drained", bench.Drain(tasks / 2), rate);
  }
  store.reset();
  store = OpenStore(folder, clock);
  Bench bench(*store, clock, batch, batch);
  Report("drained after a restart", bench.Drain(tasks / 2 - 4 * batch), rate);
}

void MeasureHistory(const std::string& folder, ServiceClock& clock, int64_t tasks, int64_t batch) {
  std::unique_ptr<store::Store> store = OpenStore(folder, clock);
  uint64_t session = 0;
  {
    Bench bench(*store, clock, batch, batch);
    bench.Flow(tasks);
    session = bench.session();
  }
  store.reset();
  Check(OpenRocks(folder, clock)->Compact());
  const double begin = Seconds();
  store = OpenStore(folder, clock);
  const double opened = Seconds();
  Bench bench(*store, clock, batch, batch);
  std::printf("%lld outcomes kept: the store opened in %.3f s, the broker recovered in %.3f s\n",
              static_cast<long long>(tasks), opened - begin, Seconds() - opened);
  const int64_t asked = std::min<int64_t>(tasks, 100'000);
  const Bench::Told told = bench.AskForOutcomes(session, asked);
  std::printf("%lld of them asked for at once: told in %.2f s, the longest turn took %.1f ms\n",
              static_cast<long long>(asked), told.seconds, 1e3 * told.longest_turn_seconds);
}

int Main(const std::vector<std::string>& args) {
  const std::string what = args.empty() ? "flow" : args[0];
  const int64_t tasks = args.size() > 1 ? std::atoll(args[1].c_str()) : 500'000;
  const int64_t batch = args.size() > 2 ? std::atoll(args[2].c_str()) : 1'000;
  const SystemMachineClock machine;
  ServiceClock clock(machine);
  const bool own_folder = args.size() <= 3;
  std::string folder = own_folder ? "/tmp/treadle-bench-XXXXXX" : args[3];
  if (own_folder && mkdtemp(folder.data()) == nullptr) return 1;
  if (what == "flow" || what == "alone") {
    const int64_t run = what == "flow" ? batch : 1;
    {
      store::MemoryStore memory(clock);
      MeasureFlow(memory, clock, tasks, batch, run);
    }
    MeasureFlow(*OpenStore(folder, clock), clock, tasks, batch, run);
  } else if (what == "backlog") {
    MeasureBacklog(folder, clock, tasks, batch);
  } else if (what == "history") {
    MeasureHistory(folder, clock, tasks, batch);
  } else {
    std::fprintf(stderr,
                 "usage: broker_bench flow|alone|backlog|history [TASKS] [BATCH] [FOLDER]\n");
    return 2;
  }
  if (own_folder) std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace treadle::broker

int main(int argc, char** argv) {
  return treadle::broker::Main(std::vector<std::string>(argv + 1, argv + argc));
}
