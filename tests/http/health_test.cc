#include "server/http/health.h"

#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/store/memory_store.h"

namespace treadle::http {
namespace {

using ::testing::HasSubstr;

struct StoppedClock final : Clock {
  int64_t NowMs() const override { return 1'000; }
};

// A broker whose loop answers at once, or not at all.
class Loop final : public broker::Intake {
 public:
  absl::Status Post(broker::Lane, std::vector<broker::Request>&&) override {
    return absl::UnimplementedError("nothing is posted here");
  }
  absl::StatusOr<broker::Reading> PostFrom(engine::CallId, broker::Lane,
                                           std::vector<broker::Request>&&) override {
    return absl::UnimplementedError("nothing is posted here");
  }
  void GoOn() override {}
  void FindWaiting(absl::AnyInvocable<void(std::vector<engine::CallId>)>) override {}
  void Visit(absl::AnyInvocable<void(const broker::View&)> visit) override {
    std::lock_guard lock(mutex_);
    ++visits;
    if (is_stuck) return stuck_.push_back(std::move(visit));
    visit(broker::View{engine_, 0});
  }
  TaskId NewTaskIds(uint32_t) override { return {}; }

  bool is_stuck = false;
  int visits = 0;

 private:
  std::mutex mutex_;
  engine::Engine engine_{engine::EngineOptions()};
  std::vector<absl::AnyInvocable<void(const broker::View&)>> stuck_;
};

class Server final : public Subject {
 public:
  const std::string& version() const override { return version_; }
  Phase phase() const override { return now_; }
  const broker::BrokerOptions& options() const override { return options_; }
  broker::Intake& broker() override { return loop; }
  const store::Store& store() const override { return store_; }
  const Clock& clock() const override { return clock_; }
  EdgeFigures edge() const override { return edge_figures; }

  void Enter(Phase phase) { now_ = phase; }

  Loop loop;
  EdgeFigures edge_figures;

 private:
  const std::string version_ = "test";
  Phase now_ = Phase::kServes;
  broker::BrokerOptions options_;
  StoppedClock clock_;
  store::MemoryStore store_{clock_};
};

TEST(Health, AServerThatServesIsAliveAndReady) {
  Server server;
  Visits visits;
  EXPECT_TRUE(Liveness(server, visits).is_well);
  EXPECT_TRUE(Readiness(server, visits).is_well);
}

TEST(Health, AServerThatReadsItsStoreIsAliveAndNotReadyAndItsLoopIsNotAsked) {
  Server server;
  server.Enter(Phase::kStarts);
  Visits visits;
  EXPECT_TRUE(Liveness(server, visits).is_well);
  const Health ready = Readiness(server, visits);
  EXPECT_FALSE(ready.is_well);
  EXPECT_THAT(ready.sentence, HasSubstr("reads its store"));
  EXPECT_EQ(server.loop.visits, 0);
}

TEST(Health, AServerThatStopsIsAliveAndNotReady) {
  Server server;
  server.Enter(Phase::kStops);
  Visits visits;
  EXPECT_TRUE(Liveness(server, visits).is_well);
  EXPECT_THAT(Readiness(server, visits).sentence, HasSubstr("stops"));
}

TEST(Health, ADiskThatHangsIsNoReasonToStartAnew) {
  Server server;
  server.edge_figures.disk_hung_ms = 12'345;
  Visits visits;
  EXPECT_TRUE(Liveness(server, visits).is_well);
  const Health ready = Readiness(server, visits);
  EXPECT_FALSE(ready.is_well);
  EXPECT_THAT(ready.sentence, HasSubstr("disk has not answered for 12 s"));
  EXPECT_THAT(ready.sentence, HasSubstr("look at the device"));
}

TEST(Health, ALoopThatDoesNotAnswerIsNotAlive) {
  Server server;
  server.loop.is_stuck = true;
  Visits visits;
  const Health alive = Liveness(server, visits);
  EXPECT_FALSE(alive.is_well);
  EXPECT_THAT(alive.sentence, HasSubstr("loop has not answered for 3 s"));
}

TEST(Visits, ALoopThatIsStuckIsNotAskedForEver) {
  Loop loop;
  loop.is_stuck = true;
  Visits visits;
  std::vector<std::thread> askers;
  for (int i = 0; i < 300; ++i) {
    askers.emplace_back([&] { EXPECT_FALSE(visits.Make(loop, [](const broker::View&) {})); });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_LE(loop.visits, 100);
}

}  // namespace
}  // namespace treadle::http
