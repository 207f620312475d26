#include "tests/sim/simulation.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/sim/caller.h"
#include "tests/sim/follower.h"
#include "tests/sim/poller.h"
#include "tests/sim/server.h"
#include "tests/sim/session_client.h"
#include "tests/sim/worker.h"

namespace treadle::sim {
namespace {

constexpr int64_t kLivenessStepsMax = 4'000;
constexpr int64_t kSettleMs = 5'000;
// Calls that were cut are heard of by then, and what was said is on the disk.
constexpr int64_t kEndMs = 10'000;

// Small bounds and short times, so that a short run meets them all. Those that refuse what a run
// lives on are in force in some runs only, each in its own.
broker::BrokerOptions SmallOptions(uint64_t seed) {
  broker::BrokerOptions options;
  options.engine.lease_ms = 3'000;
  options.engine.resume_window_ms = 8'000;
  options.engine.request_key_window_ms = 15'000;
  options.engine.attempt_timeout_grace_ms = 300;
  options.engine.unexplained_losses_max = 3;
  options.engine.queue_max_tasks = 40;
  options.payload_cache_bytes_max = 8'000;
  options.waiting_bytes_max = 8'000;
  options.unsynced_bytes_max = 40'000;

  Random random(~seed);
  const auto bound = [&](int64_t& max, int64_t low, int64_t high) {
    if (random.OneIn(8)) max = random.Between(low, high);
  };
  bound(options.engine.waiting_submitters_max, 1, 6);
  bound(options.engine.unfinished_tasks_max, 10, 60);
  bound(options.engine.worker_inflight_bytes_max, 1, 1'500);
  bound(options.engine.types_per_queue_max, 1, 4);
  bound(options.engine.queues_max, 2, 5);
  bound(options.engine.queue_max_bytes, 1'100, 4'000);
  bound(options.engine.sessions_max, 1, 3);
  bound(options.engine.session_gap_max, 5, 50);
  bound(options.engine.session_ranges_max, 1, 5);
  bound(options.engine.reports_kept_max, 1, 20);
  bound(options.engine.workers_max, 1, 3);
  bound(options.engine.polls_max, 1, 1);
  options.engine.auto_create_queues = !random.OneIn(12);
  bound(options.inbox_requests_max, 5, 60);
  bound(options.inbox_bytes_max, 2'000, 60'000);
  // Most turns take all that there is, some runs have a backlog all the time.
  bound(options.turn_requests_max, 1, 12);
  // Those that take one request in each are always behind: what was said in time is heard late.
  if (random.OneIn(12)) options.turn_requests_max = 1;
  bound(options.turn_bytes_max, 1, 2'000);
  bound(options.turn_reads_max, 1, 3);
  bound(options.pending_reads_max, 1, 10);
  bound(options.engine.outcome_row_bytes_max, 1, 100);
  bound(options.engine.timers_per_turn_max, 1, 4);
  bound(options.engine.purged_per_turn_max, 1, 3);
  // Half of the runs compact whatever they can.
  if (random.OneIn(2)) options.engine.compaction_bytes_min = random.Between(0, 200);
  options.engine.compaction_after_ms = random.Between(1, 2'000);
  options.engine.dead_letters.max_tasks = random.Between(0, 12);
  options.engine.dead_letters.ttl_ms = random.Between(1, 30'000);
  bound(options.engine.dead_letters.max_bytes, 1, 3'000);
  bound(options.engine.letter_groups_max, 1, 5);
  bound(options.task_output_bytes_max, 1, 1'000);
  options.engine.quarantine_after = random.Between(0, 2);
  return options;
}

class Simulation {
 public:
  explicit Simulation(const RunOptions& options)
      : options_(options), random_(options.seed), trace_(timeline_, options.print) {
    disk_.lie_about_syncs = options.skip_fsync_wait;
    if (options.expect_stalls) oracle_.LeaveStalls();
    disk_.writes_behind = random_.OneIn(2);
    for (uint64_t i = 0; i < 3; ++i) {
      clients_.push_back(std::make_unique<SessionClient>(timeline_, random_, trace_, network_));
    }
    for (uint64_t i = 0; i < 2; ++i) {
      callers_.push_back(
          std::make_unique<Caller>(timeline_, random_, trace_, network_, oracle_, server_));
      pollers_.push_back(
          std::make_unique<Poller>(i, timeline_, random_, trace_, network_, oracle_));
      followers_.push_back(
          std::make_unique<Follower>(timeline_, random_, trace_, network_, oracle_));
    }
    for (uint64_t i = 0; i < 3; ++i) {
      workers_.push_back(
          std::make_unique<Worker>(i, timeline_, random_, trace_, network_, oracle_));
    }
  }

  void Run() {
    server_.Start();
    for (int64_t step = 0; step < options_.steps; ++step) Step();
    BeCalm();
    // What somebody sent before he gave up may still arrive.
    const int64_t settled_at_ms = timeline_.NowMs() + kSettleMs;
    for (int64_t step = 0; !Left().empty() || timeline_.NowMs() < settled_at_ms; ++step) {
      if (step == kLivenessStepsMax) {
        throw Violation(Promise::kAliveMeansWorking,
                        absl::StrCat("without faults it does not come to an end: ", Left()));
      }
      CalmStep();
    }
    EndAll();
  }

  RunResult Result() const {
    return {.hash = trace_.hash(),
            .counts = oracle_.counts(),
            .faults = {.held = network_.held(),
                       .stalls = disk_.stalled(),
                       .pauses = pauses_,
                       .clock_steps = clock_steps_},
            .turns = server_.turns(),
            .simulated_ms = timeline_.NowMs() - begun_at_ms_};
  }

 private:
  int64_t Pause() {
    const uint64_t choice = random_.Below(100);
    if (choice < 55) return random_.Between(0, 3);
    if (choice < 85) return random_.Between(3, 100);
    if (choice < 99) return random_.Between(100, 600);
    const int64_t ms = random_.Between(600, 6'000);
    if (server_.up() && ms > broker_options_.engine.lease_ms) ++pauses_;
    return ms;
  }

  void Step() {
    timeline_.Advance(Pause());
    for (auto& client : clients_) {
      if (random_.Percent(40)) client->Act(/*calm=*/false);
    }
    for (auto& caller : callers_) {
      if (random_.Percent(40)) caller->Act(/*calm=*/false);
    }
    for (auto& worker : workers_) worker->Act(/*calm=*/false);
    for (auto& poller : pollers_) {
      if (random_.Percent(50)) poller->Act(/*calm=*/false);
    }
    for (auto& follower : followers_) follower->Act(/*calm=*/false);
    DiskFaults();
    if (random_.OneIn(60)) busy_ = !busy_;
    if (random_.OneIn(60)) SetClock();
    if (!server_.up()) {
      if (!random_.Percent(15)) return;
      if (random_.OneIn(4)) LoseStore();
      return server_.Start();
    }
    if (random_.OneIn(60)) server_.Backup();
    const bool power = random_.OneIn(2);
    if (random_.OneIn(150)) return server_.Crash(power);
    if (random_.OneIn(200)) return server_.DieInTurn(power, /*stored=*/random_.OneIn(2));
    // Others keep its processor busy: there is one turn where several are called for.
    for (uint64_t turns = random_.Below(busy_ ? 2 : 8); turns > 0 && server_.Turn(); turns /= 2) {
    }
  }

  void LoseStore() {
    server_.LoseStore(/*restore=*/random_.OneIn(2));
    for (auto& follower : followers_) follower->StoreLost();
  }

  void DiskFaults() {
    if (random_.OneIn(60)) disk_.slow = !disk_.slow;
    if (random_.OneIn(disk_.full ? 10 : 200)) disk_.full = !disk_.full;
    if (random_.OneIn(1'500)) disk_.fail_next_sync = true;
    if (random_.OneIn(1'500)) disk_.fail_next_append = true;
    if (random_.OneIn(1'500)) disk_.fail_next_write = true;
  }

  // Somebody sets the machine's clock: by what no broker was ever down, so that nothing that it
  // says about the time between two runs can be believed.
  void SetClock() {
    const int64_t years = random_.Between(-2, 2);  // four hundred each
    trace_.Note("clock set", {static_cast<uint64_t>(years)});
    ++clock_steps_;
    machine_.SetWall(years * 400 * int64_t{86'400'000});
  }

  void BeCalm() {
    machine_.SetWall(0);
    trace_.Note("calm");
    network_.calm = true;
    disk_.stalls = disk_.slow = disk_.full = false;
    disk_.fail_next_sync = disk_.fail_next_write = disk_.fail_next_append = false;
  }

  void CalmStep() {
    timeline_.Advance(random_.Between(0, 100));
    if (!server_.up()) server_.Start();
    for (const engine::QueueView& queue :
         server_.broker().engine().ListQueues("", SIZE_MAX, timeline_.NowMs())) {
      if (queue.pause.since_ms != 0) callers_[0]->Resume(queue.config.name);
      if (queue.closed) callers_[0]->Reopen(queue.config.name);
    }
    for (const engine::JobView& job :
         server_.broker().engine().ListJobs(UINT64_MAX, SIZE_MAX, /*running_only=*/true)) {
      if (!job.waits_for.empty()) callers_[0]->CancelJob(job.row.id);
    }
    for (auto& client : clients_) client->Act(/*calm=*/true);
    for (auto& caller : callers_) caller->Act(/*calm=*/true);
    for (auto& worker : workers_) worker->Act(/*calm=*/true);
    for (auto& poller : pollers_) poller->Act(/*calm=*/true);
    for (auto& follower : followers_) follower->Act(/*calm=*/true);
    while (server_.Turn()) {
    }
  }

  // Everybody leaves, and what is kept for those who may come back is kept for as long as that.
  // Then nothing is left.
  void EndAll() {
    trace_.Note("the end");
    for (auto& client : clients_) client->Leave();
    for (auto& caller : callers_) caller->Leave();
    for (auto& worker : workers_) worker->Leave();
    for (auto& poller : pollers_) poller->Leave();
    for (auto& follower : followers_) follower->Leave();
    const engine::EngineOptions& kept = broker_options_.engine;
    const int64_t until_ms =
        timeline_.NowMs() + 2 * std::max(kept.resume_window_ms, kept.lease_ms) + kEndMs;
    while (timeline_.NowMs() < until_ms) {
      timeline_.Advance(random_.Between(50, 200));
      if (!server_.up()) server_.Start();
      while (server_.Turn()) {
      }
    }
    oracle_.CheckLettersAtTheEnd();
    const broker::Holdings left = server_.broker().holdings();
    if (left == broker::Holdings{}) return;
    throw Violation(
        Promise::kBounded,
        absl::StrCat("all is over, and the broker still keeps ", left.unfinished_tasks, " tasks, ",
                     left.sessions, " sessions, ", left.workers, " workers, ", left.calls,
                     " calls, ", left.undeclared_queues, " names of queues, ", left.waits,
                     " waits, ", left.watching_calls, " calls and ", left.watching_sessions,
                     " sessions that wait, ", left.waiting_submits, " waiting submits, ",
                     left.progress, " progress reports, ", left.outputs, " outputs, ",
                     left.cached_payloads, " cached payloads, ", left.pending_reads, " reads, ",
                     left.unknowns, " answers"));
  }

  // What has not come to its end; empty: all has.
  std::string Left() const {
    std::string left;
    if (!server_.up()) left = "the broker is down";
    for (const auto& client : clients_) left += client->Left();
    for (const auto& caller : callers_) left += caller->Left();
    for (const auto& follower : followers_) left += follower->Left();
    for (const auto& [id, task] : oracle_.ledger().tasks) {
      if (!task.finished) {
        absl::StrAppend(&left, id.ToString(), " (", task.row.spec.type, " in ", task.row.spec.queue,
                        ") has not ended; ");
      }
    }
    for (const auto& [id, job] : oracle_.ledger().jobs) {
      if (job.state == engine::JobState::kRunning) absl::StrAppend(&left, "job ", id, " runs; ");
    }
    return left;
  }

  const RunOptions options_;
  const broker::BrokerOptions broker_options_ = SmallOptions(options_.seed);
  Random random_;
  Timeline timeline_;
  const int64_t begun_at_ms_ = timeline_.NowMs();
  Trace trace_;
  Oracle oracle_{broker_options_.engine, trace_};
  Network network_{timeline_, random_, trace_, oracle_};
  Disk disk_{timeline_, random_, oracle_};
  Machine machine_{timeline_};
  Server server_{broker_options_, timeline_, random_, trace_, oracle_, network_, disk_, machine_};
  std::vector<std::unique_ptr<SessionClient>> clients_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Poller>> pollers_;
  std::vector<std::unique_ptr<Follower>> followers_;
  bool busy_ = false;
  uint64_t pauses_ = 0;
  uint64_t clock_steps_ = 0;
};

}  // namespace

void Faults::Add(const Faults& other) {
  held += other.held;
  stalls += other.stalls;
  pauses += other.pauses;
  clock_steps += other.clock_steps;
}

std::string Faults::ToString() const {
  return absl::StrCat("held back for want of room: ", held, "; stalls of the disk: ", stalls,
                      "; pauses longer than a lease: ", pauses,
                      "; steps of the wall clock: ", clock_steps);
}

RunResult Run(const RunOptions& options) {
  Simulation simulation(options);
  std::optional<Violation> violation;
  try {
    simulation.Run();
  } catch (const Violation& broken) {
    violation.emplace(broken);
  }
  RunResult result = simulation.Result();
  if (violation.has_value()) {
    result.violation = violation->what();
    result.promise = static_cast<int>(violation->promise);
  }
  return result;
}

}  // namespace treadle::sim
