#include "gtest/gtest.h"

#include "tests/sim/simulation.h"

namespace treadle::sim {
namespace {

TEST(Simulation, OneSeedIsOneRun) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const RunResult first = sim::Run({.seed = seed});
    const RunResult second = sim::Run({.seed = seed});
    EXPECT_EQ(first.hash, second.hash);
    EXPECT_EQ(first.turns, second.turns);
    EXPECT_EQ(first.violation, std::nullopt);
  }
}

TEST(Simulation, AnotherSeedIsAnotherRun) {
  EXPECT_NE(sim::Run({.seed = 1}).hash, sim::Run({.seed = 2}).hash);
}

// What the promises are checked on must happen, or they are kept by sleeping.
TEST(Simulation, EverythingThatIsPromisedAboutHappens) {
  Oracle::Counts sum;
  Faults faults;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const RunResult run = sim::Run({.seed = seed});
    sum.Add(run.counts);
    faults.Add(run.faults);
  }
  EXPECT_GT(faults.held, 20u);
  EXPECT_GT(faults.stalls, 20u);
  EXPECT_GT(faults.pauses, 5u);
  EXPECT_GT(faults.clock_steps, 20u);
  EXPECT_GT(sum.accepted, 500u);
  EXPECT_GT(sum.existing, 20u);
  EXPECT_GT(sum.refused, 20u);
  EXPECT_GT(sum.leases, 500u);
  EXPECT_GT(sum.taken_back, 20u);
  EXPECT_GT(sum.reports_refused, 10u);
  EXPECT_GT(sum.outcomes, 500u);
  EXPECT_GT(sum.crashes, 20u);
  EXPECT_GT(sum.stores_lost, 5u);
  EXPECT_GT(sum.thieves, 20u);
  EXPECT_GT(sum.reports_repeated, 20u);
  EXPECT_GT(sum.runs_leased, 20u);
  EXPECT_GT(sum.runs_reported, 20u);
  EXPECT_GT(sum.runs_told, 20u);
  EXPECT_GT(sum.moved, 20u);
  EXPECT_GT(sum.letters, 20u);
  EXPECT_GT(sum.letters_dropped, 10u);
  EXPECT_GT(sum.letters_redriven, 5u);
  EXPECT_GT(sum.jobs_done, 10u);
  EXPECT_GT(sum.circuits_opened, 10u);
  EXPECT_GT(sum.unserved, 10u);
  EXPECT_GT(sum.quarantines, 5u);
  EXPECT_GT(sum.unknown, 20u);
  EXPECT_GT(sum.progress, 20u);
  for (const auto state : {engine::TaskState::kSucceeded, engine::TaskState::kFailed,
                           engine::TaskState::kCancelled, engine::TaskState::kExpired}) {
    EXPECT_GT(sum.ended[state], 10u);
  }
}

}  // namespace
}  // namespace treadle::sim
