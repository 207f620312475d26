#include "treadle/testing/local_broker.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "server/service/service.h"
#include "server/store/memory_store.h"
#include "tests/harness/crashing_store.h"
#include "tests/harness/script.h"
#include "tests/harness/virtual_clock.h"
#include "treadle/executor.h"
#include "treadle/v1/queue_service.pb.h"

namespace treadle::testing {
namespace {

using std::chrono::steady_clock;

// Of real time, in which something that happens at all has happened.
constexpr std::chrono::seconds kPatience(60);
constexpr std::chrono::milliseconds kLook(1);
// The broker takes a longer time between two turns for one in which it did not listen.
constexpr int64_t kSliceMs = 200;
constexpr int64_t kLeaseMsMin = 1'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kStoreShare = 16;
constexpr char kPlaceholder[] = "treadle.testing.placeholder";

absl::Status InVain(std::string_view what) {
  return absl::DeadlineExceededError(
      absl::StrCat("waited for a minute in vain: ", std::string(what)));
}

// What decides how time may go on.
struct Outlook {
  int64_t now_ms = 0;
  int64_t next_ms = 0;     // kNever: nothing is due
  int64_t unfinished = 0;  // tasks
  int64_t scheduled = 0;
  int64_t at_work = 0;      // leases of workers that are connected
  int64_t left_behind = 0;  // leases of others
};

Outlook OutlookOf(const broker::View& view) {
  Outlook outlook;
  outlook.now_ms = view.now_ms;
  outlook.next_ms = view.engine.NextDeadline();
  outlook.unfinished = view.engine.Totals().unfinished_tasks;
  constexpr size_t kAll = std::numeric_limits<size_t>::max();
  int64_t running = 0;
  for (const engine::QueueView& queue : view.engine.ListQueues("", kAll, view.now_ms)) {
    outlook.scheduled += queue.scheduled;
    running += queue.running;
  }
  for (const engine::WorkerView& worker : view.engine.ListWorkers("", kAll)) {
    for (const engine::PoolView& pool : worker.pools) outlook.at_work += pool.leased;
  }
  outlook.left_behind = std::max<int64_t>(0, running - outlook.at_work);
  return outlook;
}

server::ServiceOptions ServiceOptionsOf(const LocalBrokerOptions& options) {
  server::ServiceOptions service;
  service.broker.engine.lease_ms = options.lease.count();
  service.broker.engine.queue_max_tasks = options.queue_max_tasks;
  service.broker.engine.queue_max_bytes = options.queue_max_bytes;
  service.broker.free_disk_bytes_min = options.store_bytes_max / kStoreShare;
  service.rpc.listen = "127.0.0.1:0";
  service.rpc.version = "testing";
  return service;
}

absl::Status Check(const LocalBrokerOptions& options) {
  const auto bad = [](std::string_view option, int64_t value, int64_t min) {
    return absl::InvalidArgumentError(absl::StrCat("LocalBrokerOptions: ", std::string(option),
                                                   " is ", value, ": choose ", min, " or more"));
  };
  if (options.lease.count() < kLeaseMsMin) {
    return bad("lease in ms", options.lease.count(), kLeaseMsMin);
  }
  if (options.queue_max_tasks < 1) return bad("queue_max_tasks", options.queue_max_tasks, 1);
  if (options.queue_max_bytes < 1) return bad("queue_max_bytes", options.queue_max_bytes, 1);
  if (options.store_bytes_max < kStoreShare) {
    return bad("store_bytes_max", options.store_bytes_max, kStoreShare);
  }
  return absl::OkStatus();
}

}  // namespace

FullQueue::~FullQueue() {
  if (free_) Free().IgnoreError();
}

absl::Status FullQueue::Free() {
  const std::function<absl::Status()> free = std::exchange(free_, nullptr);
  return free ? free() : absl::OkStatus();
}

class LocalBroker::Impl {
 public:
  explicit Impl(const LocalBrokerOptions& options)
      : options_(ServiceOptionsOf(options)), store_(clock_, options.store_bytes_max) {}

  // What the client still waits for is answered while there is a broker.
  ~Impl() {
    client_ = nullptr;
    Stop();
  }

  absl::Status Start() {
    if (absl::Status s = Live(); !s.ok()) return s;
    address_ = life_->service.address();
    options_.rpc.listen = address_;
    faults_ = std::thread([this] { RunFaults(); });
    ClientOptions client(address_);
    client.connect_timeout = client.call_timeout = kPatience;
    client.name = "local-broker";
    absl::StatusOr<ClientPtr> connected = Client::Connect(client);
    if (!connected.ok()) return connected.status();
    client_ = *std::move(connected);
    return absl::OkStatus();
  }

  void Stop() {
    {
      std::lock_guard lock(faults_mutex_);
      stopping_ = true;
    }
    faults_news_.notify_one();
    if (faults_.joinable()) faults_.join();
    if (life_ == nullptr) return;
    life_->service.Stop();
    EndLife();
  }

  absl::Status Restart() {
    if (life_ == nullptr) return absl::FailedPreconditionError("the broker was stopped");
    std::lock_guard lock(time_mutex_);
    std::set<std::string> workers;
    for (const auto& [call, worker] : life_->script.attached()) workers.insert(worker.id);
    life_->store.Crash();
    EndLife();
    if (absl::Status s = Live(); !s.ok()) return s;
    const auto deadline = steady_clock::now() + kPatience;
    while (true) {
      std::set<std::string> missing = workers;
      for (const auto& [call, worker] : life_->script.attached()) missing.erase(worker.id);
      if (missing.empty()) return absl::OkStatus();
      if (steady_clock::now() > deadline) return InVain("for its workers to come back");
      std::this_thread::sleep_for(kLook);
    }
  }

  absl::Status Advance(int64_t by_ms) {
    if (by_ms < 0 || by_ms > limits::kAheadMsMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("Advance: ", by_ms, " ms: time goes forward, by 366 days at most"));
    }
    std::lock_guard lock(time_mutex_);
    for (int64_t left_ms = by_ms; left_ms > 0;) {
      const absl::StatusOr<Outlook> outlook = Look();
      if (!outlook.ok()) return outlook.status();
      const absl::StatusOr<int64_t> step = Step(*outlook, left_ms);
      if (!step.ok()) return step.status();
      left_ms -= *step;
    }
    return absl::OkStatus();
  }

  absl::Status AdvanceUntilDone(const FutureBase& future) {
    const absl::StatusOr<TaskId> id = IdOf(future);
    // A refusal is the task's end.
    if (!id.ok()) return future.Done() ? absl::OkStatus() : id.status();
    const auto deadline = steady_clock::now() + kPatience;
    while (steady_clock::now() < deadline) {
      std::unique_lock lock(time_mutex_);
      bool unfinished = false;
      const absl::StatusOr<Outlook> outlook =
          Look([&](const broker::View& view) { unfinished = view.engine.IsUnfinished(*id); });
      if (!outlook.ok()) return outlook.status();
      if (!unfinished) {
        lock.unlock();
        future.Wait(deadline - steady_clock::now()).IgnoreError();
        return future.Done() ? absl::OkStatus() : InVain("to hear of the task's end");
      }
      if (outlook->at_work == 0 && (outlook->scheduled > 0 || outlook->left_behind > 0)) {
        const auto step = Step(*outlook, limits::kAheadMsMax);
        if (!step.ok()) return step.status();
        continue;
      }
      lock.unlock();
      std::this_thread::sleep_for(kLook);
    }
    return InVain("for the task's end: its handler has not returned, or no worker serves it");
  }

  void DeliverNextTwice() {
    plan_.DeliverNextTwice([this](engine::CallId worker) {
      std::lock_guard lock(faults_mutex_);
      late_.push_back({lives_, worker});
      faults_news_.notify_one();
    });
  }

  absl::StatusOr<engine::CallId> AwaitStart(const FutureBase& task) {
    const absl::StatusOr<TaskId> id = IdOf(task);
    if (!id.ok()) return id.status();
    const auto deadline = steady_clock::now() + kPatience;
    while (true) {
      bool known = false;
      std::optional<engine::CallId> call;
      const absl::StatusOr<Outlook> outlook = Look([&](const broker::View& view) {
        known = view.engine.IsUnfinished(*id);
        call = life_->script.Runs(view.engine, *id);
      });
      if (!outlook.ok()) return outlook.status();
      if (!known) {
        return absl::FailedPreconditionError(
            absl::StrCat("task ", id->ToString(), " has ended: there is no lease"));
      }
      if (call.has_value()) return *call;
      if (steady_clock::now() > deadline) return InVain("for the task to run");
      std::this_thread::sleep_for(kLook);
    }
  }

  absl::Status ExpireLease(const FutureBase& task) {
    const absl::StatusOr<engine::CallId> call = AwaitStart(task);
    if (!call.ok()) return call.status();
    return Expire({lives_, *call});
  }

  absl::StatusOr<FullQueue> FillQueue(const std::string& name) {
    absl::StatusOr<v1::Queue> queue = client_->GetQueue(name);
    if (absl::IsNotFound(queue.status())) {
      v1::QueueConfig config;
      config.set_name(name);
      queue = client_->CreateQueue(config);
    }
    if (!queue.ok()) return queue.status();
    SubmitOptions submit;
    submit.result_ttl = Milliseconds(0);
    const Future<Payload> held =
        Executor(*client_, ExecutorOptions(name)).SubmitRaw(submit, kPlaceholder, Payload());
    const absl::StatusOr<Acceptance> accepted = held.Accepted(kPatience);
    if (!accepted.ok()) return accepted.status();
    if (absl::Status s = Bound(name, 1); !s.ok()) return s;
    return FullQueue([this, name, held, before = queue->config().max_tasks()] {
      const absl::Status bound = Bound(name, before);
      held.Cancel();
      if (!bound.ok()) return bound;
      held.Wait(kPatience).IgnoreError();
      return held.Done() ? absl::OkStatus() : InVain("for the queue to have room");
    });
  }

  const std::string& address() const { return address_; }
  Client& client() const { return *client_; }
  FaultPlan& plan() { return plan_; }
  int64_t wall_ms() const { return machine_.UnixMs(); }

 private:
  // What begins and ends with a start of the broker.
  struct Life {
    Life(Impl& impl)
        : store(impl.store_),
          script(impl.plan_, impl.machine_),
          service(impl.options_, impl.machine_, impl.clock_, store, &script) {}

    CrashingStore store;
    Script script;
    server::Service service;
    std::thread thread;
  };

  // Calls are numbered in each life anew.
  struct CallOfLife {
    int64_t life = 0;
    engine::CallId call{};
  };

  absl::Status Live() {
    auto life = std::make_unique<Life>(*this);
    if (absl::Status s = life->service.Start(); !s.ok()) return s;
    // Fails when the store does: as its test asked.
    life->thread = std::thread([&service = life->service] { service.Run().IgnoreError(); });
    life_ = std::move(life);
    ++lives_;
    return absl::OkStatus();
  }

  void EndLife() {
    life_->thread.join();
    life_ = nullptr;
  }

  absl::Status Bound(const std::string& queue, int64_t max_tasks) {
    v1::UpdateQueueRequest request;
    request.set_name(queue);
    request.set_max_tasks(max_tasks);
    return client_->UpdateQueue(request).status();
  }

  // Waits for the answer to its submit.
  static absl::StatusOr<TaskId> IdOf(const FutureBase& task) {
    const absl::StatusOr<Acceptance> accepted = task.Accepted(kPatience);
    if (!accepted.ok()) return accepted.status();
    return TaskId::Parse(accepted->task_id);
  }

  // After a turn that began now or later.
  absl::StatusOr<Outlook> Look(const std::function<void(const broker::View&)>& also = nullptr) {
    if (life_ == nullptr) return absl::FailedPreconditionError("the broker was stopped");
    struct Seen {
      std::promise<void> done;
      Outlook outlook;
    };
    const int64_t from_ms = clock_.NowMs();
    const auto deadline = steady_clock::now() + kPatience;
    while (true) {
      const auto seen = std::make_shared<Seen>();
      const absl::Status asked = life_->script.Look([seen, also](const broker::View& view) {
        seen->outlook = OutlookOf(view);
        if (also) also(view);
        seen->done.set_value();
      });
      if (!asked.ok()) return asked;
      if (seen->done.get_future().wait_until(deadline) != std::future_status::ready) {
        return InVain("for a turn of the broker");
      }
      if (seen->outlook.now_ms >= from_ms) return seen->outlook;
    }
  }

  // Lets time pass up to what is due next, or a slice of it while somebody's silence counts.
  // Returns how much.
  absl::StatusOr<int64_t> Step(const Outlook& outlook, int64_t at_most_ms) {
    int64_t step_ms = at_most_ms;
    if (outlook.unfinished > 0 && outlook.next_ms != kNever) {
      step_ms = std::min(step_ms, std::max<int64_t>(1, outlook.next_ms - outlook.now_ms));
    }
    if (outlook.left_behind > 0) step_ms = std::min(step_ms, kSliceMs);
    return Pass(step_ms);
  }

  // Those who are connected are heard from at once, before the broker looks whose time is over.
  absl::StatusOr<int64_t> Pass(int64_t step_ms) {
    machine_.Jump(step_ms);
    life_->script.Hear();
    const absl::StatusOr<Outlook> after = Look();
    if (!after.ok()) return after.status();
    return step_ms;
  }

  // Until the worker has no lease of before.
  absl::Status Expire(CallOfLife of) {
    std::lock_guard lock(time_mutex_);
    if (of.life != lives_ || life_ == nullptr) return absl::OkStatus();  // gone with the broker
    const engine::CallId call = of.call;
    life_->script.Mute(call);
    const absl::Cleanup unmute = [&] { life_->script.Unmute(call); };
    const auto deadline = steady_clock::now() + kPatience;
    while (steady_clock::now() < deadline) {
      // The engine ends a silent worker's stream when its leases expire.
      if (life_->script.WasEnded(call)) return absl::OkStatus();
      if (const auto passed = Pass(kSliceMs); !passed.ok()) return passed.status();
    }
    return InVain("for the worker's leases to expire");
  }

  void RunFaults() {
    while (true) {
      CallOfLife late;
      {
        std::unique_lock lock(faults_mutex_);
        faults_news_.wait(lock, [this] { return stopping_ || !late_.empty(); });
        if (stopping_) return;
        late = late_.front();
        late_.pop_front();
      }
      Expire(late).IgnoreError();
    }
  }

  server::ServiceOptions options_;
  VirtualMachineClock machine_;
  ServiceClock clock_{machine_};
  store::MemoryStore store_;
  FaultPlan plan_;
  std::mutex time_mutex_;  // who lets time pass
  std::string address_;
  std::unique_ptr<Life> life_;  // null: stopped
  std::atomic<int64_t> lives_ = 0;

  std::mutex faults_mutex_;
  std::condition_variable faults_news_;
  // GUARDED_BY(faults_mutex_):
  std::deque<CallOfLife> late_;  // whose report is to come too late
  bool stopping_ = false;
  std::thread faults_;

  std::unique_ptr<Client> client_;
};

LocalBroker::LocalBroker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalBroker::~LocalBroker() = default;

absl::StatusOr<std::unique_ptr<LocalBroker>> LocalBroker::Start(LocalBrokerOptions options) {
  if (absl::Status s = Check(options); !s.ok()) return s;
  auto impl = std::make_unique<Impl>(options);
  if (absl::Status s = impl->Start(); !s.ok()) return s;
  return std::unique_ptr<LocalBroker>(new LocalBroker(std::move(impl)));
}

const std::string& LocalBroker::address() const { return impl_->address(); }
Client& LocalBroker::client() const { return impl_->client(); }
void LocalBroker::Stop() { impl_->Stop(); }
absl::Status LocalBroker::Restart() { return impl_->Restart(); }
absl::Status LocalBroker::Advance(Milliseconds by) { return impl_->Advance(by.count()); }
absl::Status LocalBroker::AdvanceUntilDone(const FutureBase& future) {
  return impl_->AdvanceUntilDone(future);
}
std::chrono::system_clock::time_point LocalBroker::now() const {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(impl_->wall_ms()));
}
int LocalBroker::faults_to_come() const { return impl_->plan().to_come(); }
void LocalBroker::LoseNextAcknowledgement() { impl_->plan().LoseNextAcknowledgement(); }
void LocalBroker::DeliverNextTwice() { impl_->DeliverNextTwice(); }
absl::Status LocalBroker::AwaitStart(const FutureBase& task) {
  return impl_->AwaitStart(task).status();
}
absl::Status LocalBroker::ExpireLease(const FutureBase& task) { return impl_->ExpireLease(task); }
absl::StatusOr<FullQueue> LocalBroker::FillQueue(std::string_view queue) {
  return impl_->FillQueue(std::string(queue));
}

}  // namespace treadle::testing
