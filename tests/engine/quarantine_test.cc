#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "server/engine/engine.h"
#include "server/engine/health.h"

// The rules are in scripts/quarantine*.txt.

namespace treadle::engine {
namespace {

TEST(HealthTable, RemembersTheLatestOfThoseThatAreGone) {
  HealthTable table;
  const auto gone = [&table](const std::string& id) {
    WorkerHealth& health = table.Obtain(id);
    health.failures.emplace_back();
    table.Begin(health, {});
    table.PutAside(health);
  };
  for (int64_t i = 0; i < HealthTable::kAwayMax; ++i) gone(absl::StrCat(i));
  ASSERT_NE(table.Find("0"), nullptr);
  table.TakeBack(*table.Find("0"));  // it has come back: the next one is the oldest
  gone("one more");
  EXPECT_NE(table.Find("1"), nullptr);
  gone("still one");
  EXPECT_EQ(table.Find("1"), nullptr);
  EXPECT_NE(table.Find("0"), nullptr);
  EXPECT_EQ(table.quarantined(), HealthTable::kAwayMax + 1);
}

TEST(HealthTable, ForgetsWhoIsGoneAndWasWell) {
  HealthTable table;
  table.PutAside(table.Obtain("w"));
  EXPECT_EQ(table.Find("w"), nullptr);
}

// Workers that come, fail, drain and go at random. The engine's invariants say that nobody is in
// quarantine who is needed, and that whoever else has a free slot has no task that fits to wait
// for.
class RandomWorkers {
 public:
  RandomWorkers(uint64_t seed, int64_t quarantine_after)
      : random_(seed), engine_({.quarantine_after = quarantine_after}) {
    Step(OpenSession{kClient});
  }

  void Turn() {
    now_ms_ += static_cast<int64_t>(Below(2'000));
    for (uint64_t steps = Below(6); steps > 0; --steps) StepSomething();
    std::map<std::string, int64_t> before = Quarantined();
    effects_ = {};
    engine_.Tick(now_ms_, effects_);
    Hear();
    const std::map<std::string, int64_t> after = Quarantined();
    for (const Output& output : effects_.outputs) {
      const auto* dispatched = std::get_if<Dispatched>(&output.event);
      if (dispatched == nullptr) continue;
      const std::string id = IdOf(Number(dispatched->call));
      EXPECT_FALSE(before.contains(id) && after.contains(id)) << id << " is given something";
      for (const Lease& lease : dispatched->leases) {
        workers_[Number(dispatched->call)].leases.push_back(lease.token);
      }
    }
    engine_.CheckInvariants();
  }

  int64_t quarantined() const { return quarantined_; }
  int64_t needed() const { return needed_; }
  int64_t released() const { return released_; }

 private:
  static constexpr CallId kClient{1'000};
  static constexpr CallId kOperator{1'001};
  static constexpr uint64_t kWorkers = 5;

  struct Process {
    bool attached = false;
    bool bad = false;
    std::vector<Token> leases;
  };

  static uint64_t Number(CallId call) { return static_cast<uint64_t>(call); }
  static std::string IdOf(uint64_t number) { return absl::StrCat("w", number); }
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  void Step(Command command) {
    effects_ = {};
    engine_.Step(now_ms_, std::move(command), effects_);
    Hear();
  }
  void Hear() {
    for (const Output& output : effects_.outputs) {
      if (const auto* news = std::get_if<QuarantineNews>(&output.event)) {
        ++(news->needed ? needed_ : quarantined_);
      } else if (const auto* answer = std::get_if<WorkersReleased>(&output.event)) {
        released_ += answer->workers;
      } else if (const auto* end = std::get_if<EndCall>(&output.event)) {
        workers_[Number(end->call)].attached = false;
      }
    }
  }
  std::map<std::string, int64_t> Quarantined() const {
    std::map<std::string, int64_t> found;
    for (const WorkerView& view : engine_.ListWorkers("", SIZE_MAX)) {
      if (view.quarantine.has_value()) found[view.worker_id] = view.quarantine->since_ms;
    }
    return found;
  }

  void Attach(uint64_t number, Process& process) {
    process.attached = true;
    process.bad = Below(2) == 0;
    AttachWorker attach{.call = CallId{number}, .worker_id = IdOf(number)};
    attach.worker_name = attach.worker_id;
    attach.queues =
        Below(3) == 0 ? std::vector<std::string>{"a"} : std::vector<std::string>{"a", "b"};
    PoolSpec pool{"thread", 4, {}};
    if (Below(2) == 0) pool.types = {Below(2) == 0 ? "x" : "y"};
    attach.pools = {pool};
    attach.held_tokens = process.leases;
    Step(std::move(attach));
  }

  void StepSomething() {
    const uint64_t number = 1 + Below(kWorkers);
    Process& process = workers_[number];
    if (Below(3) == 0) {
      Submit submit{.call = kClient, .id = TaskId{1, ++last_sequence_}};
      submit.spec.queue = Below(2) == 0 ? "a" : "b";
      submit.spec.type = Below(2) == 0 ? "x" : "y";
      return Step(std::move(submit));
    }
    if (!process.attached) return Attach(number, process);
    const CallId call{number};
    Step(Heartbeat{call});
    switch (Below(40)) {
      case 0:
        process.attached = false;
        return Step(CallClosed{call});
      case 1:
        return Step(DrainWorker{call});
      case 2:
        return Step(ReleaseWorker{kOperator, IdOf(number)});
      default:
        break;
    }
    if (process.leases.empty() || Below(2) == 0) return Step(AddCredit{call, 0, 1});
    EndAttempt end{.call = call, .token = process.leases.back()};
    process.leases.pop_back();
    if (process.bad || Below(10) == 0) end.end = AttemptEnd::kFailed;
    Step(std::move(end));
  }

  std::mt19937_64 random_;
  Engine engine_;
  Effects effects_;
  int64_t now_ms_ = 1'000;
  uint64_t last_sequence_ = 0;
  std::map<uint64_t, Process> workers_;
  int64_t quarantined_ = 0;
  int64_t needed_ = 0;
  int64_t released_ = 0;
};

TEST(Quarantine, NobodyWhoIsNeededIsInQuarantine) {
  int64_t quarantined = 0;
  int64_t needed = 0;
  int64_t released = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    RandomWorkers run(seed, 2 + static_cast<int64_t>(seed % 3));
    for (int turn = 0; turn < 300 && !testing::Test::HasFailure(); ++turn) run.Turn();
    quarantined += run.quarantined();
    needed += run.needed();
    released += run.released();
  }
  EXPECT_GT(quarantined, 100);
  EXPECT_GT(needed, 50);
  EXPECT_GT(released, 10);
}

TEST(Quarantine, MayBeSwitchedOff) {
  RandomWorkers run(1, 0);
  for (int turn = 0; turn < 3'000; ++turn) run.Turn();
  EXPECT_EQ(run.quarantined(), 0);
}

}  // namespace
}  // namespace treadle::engine
