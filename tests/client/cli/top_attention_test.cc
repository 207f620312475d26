#include <string>
#include <utility>
#include <vector>

#include "client/cli/top/attention.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/cli/top_snapshots.h"

namespace treadle::cli::top {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Texts(const Snapshot& snapshot, const Trends::Growth& dead = {}) {
  std::vector<std::string> texts;
  for (const Attention& one : NeedsAttention(snapshot, dead)) {
    texts.push_back((one.urgent ? "! " : "") + one.text);
  }
  return texts;
}

Snapshot Of(std::vector<v1::Queue> queues, std::vector<v1::Worker> workers = {}) {
  Snapshot snapshot = Quiet();
  snapshot.queues = std::move(queues);
  snapshot.workers = std::move(workers);
  return snapshot;
}

TEST(Attention, NothingNeedsItWhereTasksMove) {
  EXPECT_THAT(Texts(Of({})), IsEmpty());
  EXPECT_THAT(Texts(Of({MakeQueue("mail", 10, 2)}, {MakeWorker("w1", "mail", 2, 2)})), IsEmpty());
  // Workers of the unary calls are in no list.
  EXPECT_THAT(Texts(Of({MakeQueue("mail", 10, 2)})), IsEmpty());
}

TEST(Attention, TheDiskComesFirst) {
  Snapshot snapshot = Of({MakeQueue("mail", 1)});
  snapshot.server.set_disk_hung_ms(12'345);
  EXPECT_THAT(Texts(snapshot),
              ElementsAre("! the broker's disk has not answered for 12 s",
                          "! queue 'mail': 1 task waits and no worker takes from it, the oldest "
                          "for 3m05s"));
}

TEST(Attention, AQueueThatItsCircuitBreakerPauses) {
  v1::Queue queue = MakeQueue("mail", 10);
  queue.set_paused(true);
  queue.set_circuit_open(true);
  EXPECT_THAT(Texts(Of({queue}, {MakeWorker("w1", "mail", 2)})),
              ElementsAre("! queue 'mail': paused by its circuit breaker, 10 tasks wait"));
}

TEST(Attention, AQueueThatNobodyServes) {
  v1::Worker draining = MakeWorker("w1", "mail", 2);
  draining.set_draining(true);
  EXPECT_THAT(Texts(Of({MakeQueue("mail", 10)}, {draining, MakeWorker("w2", "other", 1)})),
              ElementsAre("! queue 'mail': 10 tasks wait and no worker takes from it, the oldest "
                          "for 3m05s"));
  v1::Queue fresh = MakeQueue("mail", 10);
  fresh.mutable_stats()->set_oldest_age_ms(500);
  EXPECT_THAT(Texts(Of({fresh})), IsEmpty());
}

TEST(Attention, AQueueThatIsServedAndDoesNotMove) {
  EXPECT_THAT(Texts(Of({MakeQueue("mail", 10)}, {MakeWorker("w1", "mail", 2)})),
              ElementsAre("! queue 'mail': 10 tasks wait and none runs, the oldest for 3m05s"));
}

TEST(Attention, ManyQueuesAreOneSentence) {
  std::vector<v1::Queue> queues;
  for (const char* name : {"a", "b", "c", "d", "e"}) queues.push_back(MakeQueue(name, 2));
  EXPECT_THAT(Texts(Of(queues)),
              ElementsAre("! 5 queues: 'a', 'b', 'c' and 2 more: 10 tasks wait and no worker takes "
                          "from them, the oldest for 3m05s"));
}

TEST(Attention, AQueueWithoutRoom) {
  v1::Queue waited_for = MakeQueue("logs", 10, 1);
  waited_for.mutable_stats()->set_waiting_submitters(1);
  EXPECT_THAT(Texts(Of({waited_for})), ElementsAre("! queue 'logs': no room, 1 submitter waits"));
  v1::Queue full = MakeQueue("logs", 600'000, 1);
  full.mutable_stats()->set_scheduled(400'000);
  EXPECT_THAT(Texts(Of({full})), ElementsAre("! queue 'logs': no room, submits are refused"));
  v1::Queue heavy = MakeQueue("logs", 2, 1);
  heavy.mutable_stats()->set_waiting_bytes(int64_t{4} << 30);
  EXPECT_THAT(Texts(Of({heavy})), ElementsAre("! queue 'logs': no room, submits are refused"));
}

TEST(Attention, APausedQueueIfTasksWait) {
  v1::Queue paused = MakeQueue("mail", 7);
  paused.set_paused(true);
  EXPECT_THAT(Texts(Of({paused})), ElementsAre("queue 'mail': paused, 7 tasks wait"));
  paused.mutable_stats()->set_queued(0);
  EXPECT_THAT(Texts(Of({paused})), IsEmpty());
}

TEST(Attention, AClosedQueue) {
  v1::Queue closed = MakeQueue("mail", 0);
  closed.set_closed(true);
  EXPECT_THAT(Texts(Of({closed})), ElementsAre("queue 'mail': closed, submits are refused"));
}

TEST(Attention, AWorkerThatIsAway) {
  v1::Worker away = MakeWorker("w1", "mail", 2);
  away.set_connected(false);
  EXPECT_THAT(Texts(Of({}, {away})), ElementsAre("worker 'w1': connection lost"));
  EXPECT_THAT(Texts(Of({}, {away, away})), ElementsAre("2 workers: 'w1', 'w1': connection lost"));
}

TEST(Attention, AWorkerInQuarantine) {
  v1::Worker broken = MakeWorker("w1", "mail", 2);
  broken.mutable_quarantine()->set_failed(20);
  EXPECT_THAT(Texts(Of({}, {broken, MakeWorker("w2", "mail", 2)})),
              ElementsAre("worker 'w1': in quarantine, attempts failed one after the other"));
}

TEST(Attention, DeadLettersThatCameLately) {
  Trends trends;
  v1::Queue mail = MakeQueue("mail", 0);
  v1::Queue logs = MakeQueue("logs", 0);
  const auto add = [&](int64_t in_mail, int64_t in_logs, int64_t now_ms) {
    mail.mutable_stats()->set_dead_letters(in_mail);
    logs.mutable_stats()->set_dead_letters(in_logs);
    trends.Add(Of({logs, mail}), now_ms);
  };
  add(100, 50, 0);
  EXPECT_THAT(Texts(Of({}), trends.DeadLetters()), IsEmpty());
  add(112, 53, 2'000);
  EXPECT_THAT(Texts(Of({}), trends.DeadLetters()),
              ElementsAre("15 new dead letters in the last minute, most of them in queue 'mail'"));
  add(112, 54, 59'000);
  EXPECT_EQ(trends.DeadLetters().dead_letters, 16);
  add(112, 54, 61'000);  // the first one is more than a minute ago
  EXPECT_EQ(trends.DeadLetters().dead_letters, 1);
  EXPECT_EQ(trends.DeadLetters().queue, "logs");
  add(0, 0, 62'000);  // redriven
  EXPECT_EQ(trends.DeadLetters().dead_letters, 0);
}

TEST(Trends, AreKeptWithinBoundsAndForgottenWithTheirQueue) {
  Trends trends;
  v1::Queue mail = MakeQueue("mail", 0);
  for (int i = 0; i < 200; i++) {
    mail.mutable_stats()->set_submitted_per_second(i);
    trends.Add(Of({mail}), i * 1'000);
  }
  EXPECT_EQ(trends.In("mail").size(), Trends::kSamplesMax);
  EXPECT_EQ(trends.In("mail").back(), 199);
  EXPECT_EQ(trends.CoveredMs("mail"), 119'000);
  trends.Add(Of({}), 200'000);
  EXPECT_THAT(trends.In("mail"), IsEmpty());
  EXPECT_EQ(trends.CoveredMs("mail"), 0);
}

}  // namespace
}  // namespace treadle::cli::top
