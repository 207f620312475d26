#include "server/broker/task_traces.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kUnsampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

struct KeptSpans final : SpanSink {
  void Add(Span span) override { spans.push_back(std::move(span)); }
  void AddUntraced(int64_t tasks) override { untraced += tasks; }
  SpanFigures Figures() const override { return {.untraced_tasks = untraced}; }

  // "wait", "attempt 1 failed", "task cancelled".
  std::vector<std::string> Take() {
    std::vector<std::string> texts;
    for (const Span& span : spans) {
      EXPECT_LE(span.begin_ms, span.end_ms);
      const bool failed = span.outcome == engine::TaskState::kFailed;
      const bool succeeded = span.outcome == engine::TaskState::kSucceeded;
      const std::string outcome = failed ? " failed" : succeeded ? " succeeded" : " cancelled";
      if (span.kind == Span::Kind::kWait) texts.push_back("wait");
      if (span.kind == Span::Kind::kAttempt) {
        texts.push_back(absl::StrCat("attempt ", span.attempt, outcome));
      }
      if (span.kind == Span::Kind::kTask) texts.push_back(absl::StrCat("task", outcome));
    }
    spans.clear();
    return texts;
  }

  std::vector<Span> spans;
  int64_t untraced = 0;
};

class TaskTracesTest : public BrokerTest {
 protected:
  void SetUp() override { Restart(); }
  void Restart() {
    broker = std::make_unique<Broker>(options, clock, store, listener, &kept);
    ASSERT_TRUE(broker->Recover(incarnation, [](int64_t) {}).ok());
    store.FinishSync();
    Turn();
  }

  TaskId SubmitTraced(const std::string& traceparent, uint32_t tasks = 1) {
    const TaskId id = broker->NewTaskIds(tasks);
    engine::Submit submit{.call = kClient, .item = id.sequence, .id = id};
    submit.spec.queue = "mail";
    submit.spec.type = "send";
    submit.spec.payload_bytes = tasks;
    if (tasks > 1) submit.payload_sizes.assign(tasks, 1);
    Tell(std::move(submit), std::make_shared<const Body>(Body{
                                .bytes = std::string(tasks, 'x'),
                                .headers = {{"traceparent", traceparent}, {"tracestate", "v=1"}}}));
    TurnAndSync();
    return id;
  }
  engine::Lease LeaseOne() {
    TurnAndSync();
    std::vector<LeasedRun> leases = TakeLeases();
    EXPECT_THAT(leases, SizeIs(1));
    return leases.at(0).lease;
  }
  void End(const engine::Lease& lease, engine::AttemptEnd end) {
    engine::EndAttempt report{.call = kWorker, .token = lease.token, .end = end};
    if (end == engine::AttemptEnd::kFailed) report.error.type = "Oops";
    Tell(std::move(report));
    TurnAndSync();
  }

  KeptSpans kept;
};

TEST_F(TaskTracesTest, AWaitAnAttemptAndALife) {
  const TaskId id = SubmitTraced(kSampled);
  clock.now_ms += 5;
  Attach(1);
  const engine::Lease lease = LeaseOne();
  ASSERT_THAT(kept.spans, SizeIs(1));
  const Span wait = kept.spans[0];
  EXPECT_EQ(wait.end_ms - wait.begin_ms, 5);
  EXPECT_EQ(wait.token, lease.token);
  EXPECT_EQ(wait.task, id);
  EXPECT_EQ(wait.traced->state, "v=1");
  EXPECT_EQ(FormatTraceParent(wait.traced->parent), kSampled);
  clock.now_ms += 7;
  Succeed(lease, "done");
  TurnAndSync();
  ASSERT_THAT(kept.spans, SizeIs(3));
  EXPECT_EQ(kept.spans[1].begin_ms, wait.end_ms);
  EXPECT_EQ(kept.spans[1].end_ms, wait.end_ms + 7);
  EXPECT_EQ(kept.spans[2].begin_ms, wait.begin_ms);
  EXPECT_EQ(kept.spans[2].end_ms, wait.end_ms + 7);
  EXPECT_THAT(kept.Take(), ElementsAre("wait", "attempt 1 succeeded", "task succeeded"));
}

TEST_F(TaskTracesTest, EachAttemptThatFailsAndEachWait) {
  SubmitTraced(kSampled);
  Attach(3);
  End(LeaseOne(), engine::AttemptEnd::kFailed);
  EXPECT_THAT(kept.spans.back().error_type, "Oops");
  EXPECT_THAT(kept.Take(), ElementsAre("wait", "attempt 1 failed"));
  clock.now_ms += 60'000;
  Tell(engine::Heartbeat{kWorker});
  const engine::Lease second = LeaseOne();
  const Span wait = kept.spans.at(0);
  EXPECT_LT(wait.end_ms - wait.begin_ms, 60'000) << "the backoff is no wait for a lease";
  End(second, engine::AttemptEnd::kReleased);
  EXPECT_THAT(kept.Take(), ElementsAre("wait", "wait")) << "what is handed back is no attempt";
  End(LeaseOne(), engine::AttemptEnd::kSucceeded);
  EXPECT_THAT(kept.Take(), ElementsAre("attempt 2 succeeded", "task succeeded"));
}

TEST_F(TaskTracesTest, WhatIsCancelledInItsQueueHasWaited) {
  const TaskId id = SubmitTraced(kSampled);
  Tell(engine::Cancel{.call = kClient, .task = id});
  TurnAndSync();
  EXPECT_THAT(kept.Take(), ElementsAre("wait", "task cancelled"));
}

TEST_F(TaskTracesTest, EachTaskOfARun) {
  SubmitTraced(kSampled, 3);
  Attach(3);
  const engine::Lease lease = LeaseOne();
  ASSERT_EQ(lease.tasks, 3u);
  EXPECT_THAT(kept.Take(), ElementsAre("wait", "wait", "wait"));
  Tell(engine::EndAttempt{.call = kWorker, .token = lease.token, .result_sizes = {1, 1, 1}},
       Bytes("abc"));
  TurnAndSync();
  EXPECT_THAT(kept.Take(), SizeIs(6));
}

TEST_F(TaskTracesTest, OnlyWhatIsSampled) {
  SubmitTraced(kUnsampled);
  SubmitTraced("00-1-2-01");
  RunOne("done");
  EXPECT_THAT(kept.Take(), IsEmpty());
}

TEST_F(TaskTracesTest, ARestartLosesOnlyTheWaitThatItEnds) {
  SubmitTraced(kSampled);
  Restart();
  Attach(1);
  TurnAndSync();  // the payload is read from the store
  End(LeaseOne(), engine::AttemptEnd::kSucceeded);
  EXPECT_THAT(kept.Take(), ElementsAre("attempt 1 succeeded", "task succeeded"));
}

TEST_F(TaskTracesTest, BeyondTheBoundTasksAreCounted) {
  SubmitTraced(kSampled, static_cast<uint32_t>(TaskTraces::kTasksMax / 2));
  SubmitTraced(kSampled, static_cast<uint32_t>(TaskTraces::kTasksMax / 2));
  EXPECT_EQ(kept.untraced, 0);
  SubmitTraced(kSampled, 3);
  EXPECT_EQ(kept.untraced, 3);
}

}  // namespace
}  // namespace treadle::broker
