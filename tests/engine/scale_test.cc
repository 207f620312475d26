#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/engine/live_engine.h"

// What only shows with many tasks.

namespace treadle::engine {
namespace {

constexpr CallId kClient{1};
constexpr CallId kWorker{2};

class Harness : public LiveEngine {
 public:
  Harness() { Step(OpenSession{kClient}); }

  void Submit(uint64_t sequence, const std::string& queue, int32_t priority = 0,
              int64_t deadline_at_ms = 0) {
    engine::Submit submit;
    submit.call = kClient;
    submit.id = TaskId{1, sequence};
    submit.spec.queue = queue;
    submit.spec.type = "send";
    submit.spec.priority = priority;
    submit.spec.deadline_at_ms = deadline_at_ms;
    Step(std::move(submit));
  }
  void Attach(const std::string& queue) {
    AttachWorker attach;
    attach.call = kWorker;
    attach.worker_id = "w1";
    attach.queues = {queue};
    attach.pools = {PoolSpec{"thread", 1}};
    Step(std::move(attach));
  }
  // One slot: takes a task, finishes it, takes the next. Returns the sequences in that order.
  std::vector<uint64_t> RunOneByOne(size_t count) {
    std::vector<uint64_t> order;
    Step(AddCredit{kWorker, 0, 1});
    while (order.size() < count) {
      for (Output& output : Tick().outputs) {
        Dispatched* const dispatched = std::get_if<Dispatched>(&output.event);
        if (dispatched == nullptr) continue;
        const Lease& lease = dispatched->leases.at(0);
        order.push_back(lease.task.sequence);
        EndAttempt end;
        end.call = kWorker;
        end.token = lease.token;
        Step(std::move(end));
        if (order.size() < count) Step(AddCredit{kWorker, 0, 1});
      }
    }
    Tick();
    return order;
  }
};

// Promise 4, over 100,000 tasks with one slot, and a restart in the middle.
void ExpectOrder(Discipline discipline) {
  constexpr uint64_t kTasks = 100'000;
  Harness harness;
  QueueConfig config{"q", discipline, 1'000'000, 1'000'000};
  harness.Step(CreateQueue{kClient, config});
  std::vector<std::pair<int64_t, int64_t>> keys;
  for (uint64_t n = 1; n <= kTasks; ++n) {
    const int32_t priority =
        discipline == Discipline::kPriority ? static_cast<int32_t>(n * 7919 % 11) - 5 : 0;
    harness.Submit(n, "q", priority);
    const int64_t order = static_cast<int64_t>(n);
    keys.emplace_back(-priority, discipline == Discipline::kLifo ? -order : order);
  }
  harness.Attach("q");
  std::vector<uint64_t> order = harness.RunOneByOne(kTasks / 2);
  harness.Restart();
  harness.Attach("q");
  for (const uint64_t sequence : harness.RunOneByOne(kTasks / 2)) order.push_back(sequence);
  ASSERT_EQ(order.size(), kTasks);
  for (size_t i = 1; i < order.size(); ++i) ASSERT_LT(keys[order[i - 1] - 1], keys[order[i] - 1]);
  EXPECT_EQ(harness.engine().Totals().unfinished_tasks, 0);
}

TEST(ManyTasks, FifoOrderHoldsOverARestart) { ExpectOrder(Discipline::kFifo); }
TEST(ManyTasks, LifoOrderHoldsOverARestart) { ExpectOrder(Discipline::kLifo); }
TEST(ManyTasks, PriorityOrderHoldsOverARestart) { ExpectOrder(Discipline::kPriority); }

// A large purge goes on over several turns, none of them large. What is submitted meanwhile stays,
// and nothing is given out until the purge is done.
TEST(ManyTasks, APurgeTakesSeveralTurns) {
  Harness harness;
  for (uint64_t n = 1; n <= 25'000; ++n) harness.Submit(n, "q");
  harness.Tick();
  harness.Attach("q");
  harness.Step(AddCredit{kWorker, 0, 5});
  harness.Step(PurgeQueue{CallId{7}, "q"});
  harness.Submit(30'000, "q");
  int turns = 0;
  size_t given = 0;
  int64_t cancelled = -1;
  while (cancelled < 0) {
    ++turns;
    ASSERT_EQ(given, 0);
    for (const Output& output : harness.Tick().outputs) {
      if (const auto* dispatched = std::get_if<Dispatched>(&output.event)) {
        for (const Lease& lease : dispatched->leases) given += lease.tasks;
      }
      if (const auto* changed = std::get_if<QueueChanged>(&output.event)) {
        EXPECT_EQ(changed->call, CallId{7});
        cancelled = changed->cancelled_tasks;
      }
    }
    harness.engine().CheckInvariants();
    if (cancelled < 0) {
      EXPECT_LE(harness.engine().NextDeadline(), harness.now_ms());
    }
  }
  EXPECT_EQ(turns, 3);
  EXPECT_EQ(cancelled, 25'000);
  EXPECT_EQ(given, 1);
  EXPECT_EQ(harness.engine().Totals().unfinished_tasks, 1);
}

// Deadlines that many tasks share expire them over several turns; none is given out after its own.
TEST(ManyTasks, ASharedDeadlineTakesSeveralTurns) {
  constexpr int64_t kTasks = 250'000;
  Harness harness;
  for (int64_t n = 1; n <= kTasks; ++n) {
    harness.Submit(static_cast<uint64_t>(n), "q", 0, 2'000);
  }
  harness.Tick();
  harness.Attach("q");
  harness.now_ms() = 2'000;
  harness.Step(AddCredit{kWorker, 0, 5});
  int turns = 0;
  for (; harness.engine().NextDeadline() <= harness.now_ms(); ++turns) {
    for (const Output& output : harness.Tick().outputs) {
      EXPECT_FALSE(std::holds_alternative<Dispatched>(output.event));
    }
  }
  EXPECT_EQ(harness.engine().Totals().unfinished_tasks, 0);
  EXPECT_EQ(turns, 3);
}

}  // namespace
}  // namespace treadle::engine
