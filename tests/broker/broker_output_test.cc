// What tasks say while they run.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/row_key.h"
#include "server/broker/stored_tasks.h"
#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class BrokerOutputTest : public BrokerTest {
 protected:
  // Of a task that runs.
  engine::Lease Run() {
    Submit("payload");
    Attach(1);
    TurnAndSync();
    const std::vector<LeasedRun> leases = TakeLeases();
    EXPECT_THAT(leases, SizeIs(1));
    return leases.at(0).lease;
  }
  void Say(engine::Token token, uint64_t first_index, std::string line) {
    TakeOutput output{.call = kWorker, .token = token, .first_index = first_index};
    output.entries.push_back({engine::OutputKind::kLog, 5, std::move(line), ""});
    Post(std::move(output));
  }
  // Answered by what there is from the offset on.
  AskQuery Ask(TaskId task, uint64_t offset) {
    return {kOther, [this, task, offset](const View& view) -> std::variant<Answer, Look> {
              const engine::OutputRow* const output = view.Output(task);
              const uint64_t before = output == nullptr ? UINT64_MAX : output->next;
              return Look([this, task, offset, before](StoredTasks& stored) -> Answer {
                auto page = stored.ReadOutput(task, offset, before, 1'000);
                return [this, page = std::move(page)] {
                  ASSERT_TRUE(page.ok()) << page.status();
                  ++answers;
                  for (const engine::OutputPieceRow& piece : page->pieces) {
                    for (const auto& entry : piece.entries) read.push_back(entry.data);
                  }
                };
              });
            }};
  }
  size_t RowsOfKind(RowKind kind) {
    size_t rows = 0;
    const KeyRange range = RowsOf(kind);
    EXPECT_TRUE(store
                    .Scan(range.begin, range.end,
                          [&rows](std::string_view, std::string_view) {
                            ++rows;
                            return true;
                          })
                    .ok());
    return rows;
  }

  int answers = 0;
  std::vector<std::string> read;
};

TEST_F(BrokerOutputTest, IsHandledWhenItIsSynced) {
  const engine::Lease lease = Run();
  Say(lease.token, 0, "a");
  Turn();
  EXPECT_THAT(listener.Take<OutputTaken>(), IsEmpty());
  store.FinishSync();
  Turn();
  const auto taken = listener.Take<OutputTaken>();
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_TRUE(taken[0].status.ok());
  EXPECT_EQ(taken[0].token, lease.token);
  EXPECT_EQ(taken[0].next_index, 1u);
}

TEST_F(BrokerOutputTest, ALeaseThatIsOverIsToldSo) {
  const engine::Lease lease = Run();
  Succeed(lease, "result");
  Say(lease.token, 3, "late");
  TurnAndSync();
  const auto taken = listener.Take<OutputTaken>();
  ASSERT_THAT(taken, SizeIs(1));
  EXPECT_TRUE(absl::IsAborted(taken[0].status));
  EXPECT_EQ(taken[0].next_index, 4u);
  EXPECT_EQ(RowsOfKind(RowKind::kOutputPiece), 0u);
}

TEST_F(BrokerOutputTest, WhoWaitsReadsWhatIsSynced) {
  const engine::Lease lease = Run();
  Post(AwaitOutput{lease.task, 0, Ask(lease.task, 0)});
  TurnAndSync();
  EXPECT_EQ(broker->holdings().waits, 1);
  EXPECT_EQ(answers, 0);
  Say(lease.token, 0, "a");
  Turn();
  Turn();
  EXPECT_EQ(answers, 0);
  store.FinishSync();
  Turn();
  EXPECT_THAT(read, ElementsAre("a"));
  EXPECT_EQ(broker->holdings().waits, 0);
  EXPECT_EQ(broker->holdings().outputs, 1);
}

TEST_F(BrokerOutputTest, WhoWaitsIsToldOfTheEnd) {
  const engine::Lease lease = Run();
  Post(AwaitOutput{lease.task, 0, Ask(lease.task, 0)});
  TurnAndSync();
  Succeed(lease, "result");
  TurnAndSync();
  store.FinishSync();
  Turn();
  EXPECT_EQ(answers, 1);
  EXPECT_THAT(read, IsEmpty());
  EXPECT_EQ(broker->holdings().waits, 0);
}

TEST_F(BrokerOutputTest, ACallThatIsOverWaitsNoLonger) {
  const engine::Lease lease = Run();
  Post(AwaitOutput{lease.task, 0, Ask(lease.task, 0)});
  TurnAndSync();
  Tell(engine::CallClosed{kOther});
  TurnAndSync();
  EXPECT_EQ(broker->holdings().waits, 0);
  Say(lease.token, 0, "a");
  TurnAndSync();
  EXPECT_EQ(answers, 0);
}

TEST_F(BrokerOutputTest, ARestartGoesOnWhereItWas) {
  const engine::Lease lease = Run();
  Say(lease.token, 0, "a");
  TurnAndSync();
  incarnation = engine::Incarnation{2};
  Start();
  EXPECT_EQ(broker->holdings().outputs, 1);
  Tell(engine::AttachWorker{.call = kWorker,
                            .worker_id = "w",
                            .queues = {"mail"},
                            .pools = {engine::PoolSpec{"thread", 4, {}}},
                            .held_tokens = {lease.token}});
  Say(lease.token, 0, "a");  // it was not told that it was taken
  Say(lease.token, 1, "b");
  TurnAndSync();
  Post(AwaitOutput{lease.task, 0, Ask(lease.task, 0)});
  TurnAndSync();
  Turn();
  EXPECT_THAT(read, ElementsAre("a", "b"));
}

TEST_F(BrokerOutputTest, ItGoesWithTheOutcome) {
  const engine::Lease lease = Run();
  Say(lease.token, 0, "a");
  TurnAndSync();
  Succeed(lease, "result");
  TurnAndSync();
  EXPECT_EQ(broker->holdings().outputs, 0);
  EXPECT_EQ(RowsOfKind(RowKind::kOutput), 0u);
  EXPECT_EQ(RowsOfKind(RowKind::kOutputPiece), 1u);
  clock.now_ms += limits::kResultTtlMs - 1'000;
  TurnAndSync();
  EXPECT_EQ(RowsOfKind(RowKind::kOutputPiece), 1u);
  clock.now_ms += 2'000;
  EXPECT_LE(broker->NextDeadline(), clock.NowMs());
  Turn();
  Turn();
  EXPECT_EQ(RowsOfKind(RowKind::kOutputPiece), 0u);
  EXPECT_EQ(RowsOfKind(RowKind::kOutputExpiry), 0u);
}

TEST_F(BrokerOutputTest, AStartFindsWhatIsToGo) {
  const engine::Lease lease = Run();
  Say(lease.token, 0, "a");
  Succeed(lease, "result");
  TurnAndSync();
  clock.now_ms += limits::kResultTtlMs + 1'000;
  incarnation = engine::Incarnation{2};
  Start();
  Turn();
  EXPECT_EQ(RowsOfKind(RowKind::kOutputPiece), 0u);
  EXPECT_EQ(RowsOfKind(RowKind::kOutputExpiry), 0u);
}

}  // namespace
}  // namespace treadle::broker
