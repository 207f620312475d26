#include "client/ledger/ledger.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "proto/wire/item_status.h"
#include "tests/client/ledger_fixture.h"

namespace treadle::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(LedgerTest, AGroupHasPendingFuturesUntilTheLastOneEnds) {
  const auto submit = [this](uint32_t group) {
    FutureStateRef state(new FutureState(&home_));
    state->task.common = common_;
    state->traits.group = group;
    ledger_.Submit(state);
    return state;
  };
  const FutureStateRef one = submit(1);
  const FutureStateRef two = submit(1);
  const FutureStateRef other = submit(2);
  EXPECT_FALSE(ledger_.HasPending(0));
  EXPECT_FALSE(ledger_.HasPending(3));
  Open(7);
  Next();
  Accept(1, 2);
  Succeed({7, 1}, "");
  EXPECT_TRUE(ledger_.HasPending(1));
  Succeed({7, 2}, "");
  EXPECT_FALSE(ledger_.HasPending(1));
  EXPECT_TRUE(ledger_.HasPending(2)) << "not answered";
  ledger_.EndAll(absl::UnavailableError("over"), effects_);
  EXPECT_FALSE(ledger_.HasPending(2));
  const FutureStateRef unsent = submit(3);
  EXPECT_TRUE(ledger_.HasPending(3));
  ledger_.Cancel(unsent, effects_);
  EXPECT_FALSE(ledger_.HasPending(3));
}

TEST_F(LedgerTest, WhatNobodyHoldsIsLetGoWhenItIsAccepted) {
  Submit("dropped before it was sent");
  FutureStateRef dropped = Submit("dropped before it was accepted");
  const FutureStateRef held = Submit("held");
  Open(7);
  EXPECT_THAT(Sequences(Next()), ElementsAre(1, 2, 3)) << "submitted all the same";
  dropped = FutureStateRef();
  EXPECT_EQ(ledger_.pending(), 3u);
  Accept(1, 3);
  EXPECT_EQ(ledger_.pending(), 1u);
  EXPECT_EQ(effects_.answered_tasks, 3);
  Succeed({7, 1}, "of no interest");
  Succeed({7, 3}, "x");
  EXPECT_TRUE(held->IsDone());
}

TEST_F(LedgerTest, WhatIsDroppedLaterIsLetGoNowAndThen) {
  Open(7, false, 10'000);
  std::vector<FutureStateRef> held;
  uint64_t sequence = 0;
  size_t most = 0;
  for (int round = 0; round < 50; ++round) {
    std::vector<FutureStateRef> dropped;
    for (int i = 0; i < 100; ++i) dropped.push_back(Submit("x"));
    held.push_back(Submit("x"));
    while (ledger_.HasNews()) Next();
    Accept(sequence + 1, sequence + 101);
    sequence += 101;
    most = std::max(most, ledger_.pending());
  }
  EXPECT_LT(most, 1'024u + 101u) << "of 5,050 of which 50 are held";
  Open(7, true);
  EXPECT_EQ(ledger_.pending(), held.size());
  EXPECT_EQ(Next().await_task_ids_size(), static_cast<int>(held.size()));
}

TEST_F(LedgerTest, AnAnswerMayWaitUnlessSomebodyWaitsForIt) {
  Open(5);
  const FutureStateRef first = Submit("a");
  EXPECT_TRUE(Next().answer_may_wait());
  EXPECT_FALSE(Next().answer_may_wait());  // it asks for none
  const FutureStateRef second = Submit("b");
  const FutureStateRef posted = Submit("c");
  posted->traits.until_accepted = true;
  EXPECT_FALSE(Next().answer_may_wait());
  const FutureStateRef awaited = Submit("d");
  PointListener listener(awaited, Listener::Until::kAccepted, std::make_shared<WaitPoint>());
  ASSERT_TRUE(listener.Start());
  EXPECT_FALSE(Next().answer_may_wait());
  const FutureStateRef watched = Submit("e");
  PointListener until_done(watched, Listener::Until::kDone, std::make_shared<WaitPoint>());
  ASSERT_TRUE(until_done.Start());
  EXPECT_TRUE(Next().answer_may_wait());
}

TEST_F(LedgerTest, ASubmitIsSentAcceptedAndEnds) {
  const FutureStateRef state = Submit("x");
  Open(7);
  ASSERT_TRUE(ledger_.HasNews());
  EXPECT_THAT(Sequences(Next()), ElementsAre(1));
  EXPECT_FALSE(ledger_.HasNews());
  EXPECT_FALSE(state->IsAccepted());
  Accept(1, 1);
  EXPECT_TRUE(state->IsAccepted());
  EXPECT_EQ(state->id, (TaskId{7, 1}));
  EXPECT_EQ(state->durability, Durability::kWritten);
  EXPECT_EQ(effects_.answered_tasks, 1);
  EXPECT_EQ(effects_.answered_bytes, 1);
  Succeed({7, 1}, "result");
  EXPECT_TRUE(state->IsDone());
  EXPECT_EQ(state->result, "result");
  EXPECT_EQ(effects_.answered_tasks, 1);
  EXPECT_EQ(ledger_.pending(), 0u);
}

TEST_F(LedgerTest, AcknowledgedBelowRisesWithTheAnswers) {
  for (int i = 0; i < 3; ++i) Submit("x");
  Open(7);
  EXPECT_EQ(Next().acknowledged_below(), 0u);
  Accept(2, 3);
  EXPECT_EQ(Next().acknowledged_below(), 0u);
  Accept(1, 1);
  EXPECT_EQ(Next().acknowledged_below(), 4u);
  EXPECT_EQ(Next().acknowledged_below(), 0u);  // said already
}

TEST_F(LedgerTest, AMessageKeepsToTheBrokersBatch) {
  for (int i = 0; i < 5; ++i) Submit("x");
  Open(7, false, 2);
  EXPECT_THAT(Sequences(Next()), ElementsAre(1, 2));
  EXPECT_THAT(Sequences(Next()), ElementsAre(3, 4));
  EXPECT_THAT(Sequences(Next()), ElementsAre(5));
  EXPECT_FALSE(ledger_.HasNews());
}

TEST_F(LedgerTest, AMessageKeepsToAMebibyteUnlessOneTaskIsLarger) {
  Submit(std::string(700'000, 'a'));
  Submit(std::string(700'000, 'b'));
  Submit(std::string(3'000'000, 'c'));
  Submit("d");
  Open(7);
  EXPECT_THAT(Sequences(Next()), ElementsAre(1));
  EXPECT_THAT(Sequences(Next()), ElementsAre(2));
  EXPECT_THAT(Sequences(Next()), ElementsAre(3));
  EXPECT_THAT(Sequences(Next()), ElementsAre(4));
}

TEST_F(LedgerTest, APayloadThatWouldBreakTheStreamIsRefusedHere) {
  const FutureStateRef large = Submit(std::string(5 << 20, 'a'));
  const FutureStateRef small = Submit("b");
  Open(7);
  EXPECT_THAT(Sequences(Next()), ElementsAre(1));
  EXPECT_EQ(large->status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(large->status.message()), HasSubstr("at most 4128768"));
  EXPECT_FALSE(small->IsDone());
}

TEST_F(LedgerTest, WhatWasNotAnsweredIsSentAgainUnderItsSequence) {
  std::vector<FutureStateRef> states;
  for (int i = 0; i < 4; ++i) states.push_back(Submit(std::string(1, static_cast<char>('a' + i))));
  Open(7, false, 3);
  EXPECT_THAT(Sequences(Next()), ElementsAre(1, 2, 3));
  Accept(2, 2);
  Open(7, true, 4);
  const v1::SessionRequest again = Next();
  EXPECT_THAT(Sequences(again), ElementsAre(1, 3, 4));
  EXPECT_EQ(Payload(again, 1), "c");
  // The outcome of 2 does not come by itself any more.
  EXPECT_THAT(again.await_task_ids(), ElementsAre(TaskId({7, 2}).ToString()));
  // Nor do those of 1 and 3, which may have been accepted on the first stream.
  Accept(1, 4);
  EXPECT_THAT(Next().await_task_ids(),
              ElementsAre(TaskId({7, 1}).ToString(), TaskId({7, 3}).ToString()));
}

TEST_F(LedgerTest, AnOutcomeThatOvertakesItsAcceptanceCounts) {
  const FutureStateRef state = Submit("x");
  Open(7);
  Next();
  Succeed({7, 1}, "done");
  EXPECT_TRUE(state->IsAccepted());
  EXPECT_TRUE(state->IsDone());
  EXPECT_EQ(effects_.answered_tasks, 1);
  Accept(1, 1);
  EXPECT_EQ(effects_.answered_tasks, 1);
  Open(7, true);
  EXPECT_FALSE(ledger_.HasNews());
}

TEST_F(LedgerTest, ARefusedSubmitEndsWithTheReason) {
  const FutureStateRef state = Submit("x");
  Open(7);
  Next();
  v1::SessionResponse response;
  response.add_refused()->set_first_sequence(1);
  response.mutable_refused(0)->set_last_sequence(1);
  wire::ToItem(absl::ResourceExhaustedError("queue 'mail' is full"),
               response.mutable_refused(0)->mutable_status());
  ledger_.Handle(response, effects_);
  EXPECT_EQ(state->status, absl::ResourceExhaustedError("queue 'mail' is full"));
  EXPECT_FALSE(state->IsAccepted());
  EXPECT_EQ(effects_.answered_tasks, 1);
  EXPECT_EQ(Next().acknowledged_below(), 2u);
}

TEST_F(LedgerTest, ARunOfResultsEndsEachTaskWithItsOwn) {
  const FutureStateRef one = Submit("a");
  const FutureStateRef two = Submit("b");
  const FutureStateRef three = Submit("c");
  Open(7);
  Next();
  Accept(1, 3);
  v1::SessionResponse response;
  v1::OutcomeRun& run = *response.add_succeeded();
  run.set_first_sequence(1);
  for (const uint32_t size : {3, 0, 5}) run.add_result_sizes(size);
  run.set_results("onethree");
  run.set_content_type("text/plain");
  ledger_.Handle(response, effects_);
  EXPECT_EQ(one->result, "one");
  EXPECT_EQ(two->result, "");
  EXPECT_EQ(three->result, "three");
  EXPECT_EQ(*two->content_type, "text/plain");
  for (const FutureStateRef& state : {one, two, three}) EXPECT_TRUE(state->IsDone());
}

TEST_F(LedgerTest, AKeyOfAnotherTaskGivesThatTasksOutcome) {
  const FutureStateRef first = Submit("x", "k");
  Open(7);
  Next();
  v1::SessionResponse response;
  response.add_existing()->set_sequence(1);
  response.mutable_existing(0)->set_task_id("3-1");
  ledger_.Handle(response, effects_);
  EXPECT_TRUE(first->IsAccepted());
  EXPECT_TRUE(first->existing);
  EXPECT_EQ(first->id, (TaskId{3, 1}));
  EXPECT_THAT(Next().await_task_ids(), ElementsAre("3-1"));
  Succeed({3, 1}, "theirs");
  EXPECT_EQ(first->result, "theirs");
}

TEST_F(LedgerTest, AForgottenSessionLeavesNoSubmitDoubledOrInDoubt) {
  const FutureStateRef accepted = Submit("accepted");
  const FutureStateRef doubtful = Submit("doubtful");
  const FutureStateRef keyed = Submit("keyed", "k");
  Open(7);
  Next();
  Accept(1, 1);
  const FutureStateRef unsent = Submit("unsent");
  Open(9);
  // Nobody can tell whether it was accepted.
  EXPECT_EQ(doubtful->status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(doubtful->status.message()), HasSubstr(TaskId({7, 2}).ToString()));
  // Safe to send again, and never sent.
  const v1::SessionRequest request = Next();
  ASSERT_THAT(Sequences(request), ElementsAre(1, 2));
  EXPECT_EQ(Payload(request, 0), "keyed");
  EXPECT_EQ(Payload(request, 1), "unsent");
  // Accepted tasks live in the broker, whatever became of the session.
  EXPECT_THAT(request.await_task_ids(), ElementsAre("7-1"));
  Accept(1, 2);
  EXPECT_EQ(keyed->id, (TaskId{9, 1}));
  EXPECT_EQ(unsent->id, (TaskId{9, 2}));
  Succeed({7, 1}, "old");
  EXPECT_EQ(accepted->result, "old");
}

TEST_F(LedgerTest, CancelBeforeSendingEndsAtOnce) {
  const FutureStateRef state = Submit("x");
  ledger_.Cancel(state, effects_);
  EXPECT_EQ(state->status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(effects_.answered_tasks, 1);
  Open(7);
  EXPECT_THAT(Sequences(Next()), IsEmpty());
}

TEST_F(LedgerTest, CancelWaitsForTheAcceptance) {
  const FutureStateRef state = Submit("x");
  Open(7);
  Next();
  ledger_.Cancel(state, effects_);
  EXPECT_THAT(Next().cancel_task_ids(), IsEmpty());
  Accept(1, 1);
  EXPECT_THAT(Next().cancel_task_ids(), ElementsAre("7-1"));
  // It may have been lost with its stream.
  Open(7, true);
  EXPECT_THAT(Next().cancel_task_ids(), ElementsAre("7-1"));
}

TEST_F(LedgerTest, CancelsAndAwaitsPassABacklogOfSubmits) {
  const FutureStateRef cancelled = Submit("x");
  Open(7, false, limits::kBatchTasksMax);
  Next();
  Accept(1, 1);
  for (int i = 0; i < 2 * limits::kBatchTasksMax; ++i) Submit("x");
  ledger_.Cancel(cancelled, effects_);
  const FutureStateRef attached = Attach({3, 4});
  const v1::SessionRequest message = Next();
  EXPECT_THAT(message.cancel_task_ids(), ElementsAre("7-1"));
  EXPECT_THAT(message.await_task_ids(), ElementsAre("3-4"));
  EXPECT_EQ(std::ssize(Sequences(message)), limits::kBatchTasksMax - 2);
}

TEST_F(LedgerTest, ManyIdsLeaveHalfOfTheMessageToTheTasks) {
  std::vector<FutureStateRef> attached;
  for (uint64_t i = 1; i <= 100; ++i) attached.push_back(Attach({3, i}));
  for (int i = 0; i < 10; ++i) Submit("x");
  Open(7, false, 10);
  for (int i = 0; i < 2; ++i) {
    const v1::SessionRequest message = Next();
    EXPECT_EQ(message.await_task_ids_size(), 5);
    EXPECT_EQ(Sequences(message).size(), 5u);
  }
  EXPECT_EQ(Next().await_task_ids_size(), 10);
}

TEST_F(LedgerTest, ALargeTaskIsNotKeptWaitingByIds) {
  Open(7);
  const FutureStateRef large = Submit(std::string(2 * limits::kMiB, 'x'));
  int messages = 0;
  for (uint64_t i = 1; large->sequence == 0; ++i, ++messages) {
    const FutureStateRef attached = Attach({3, i});
    EXPECT_LE(Next().ByteSizeLong(), static_cast<size_t>(3 * limits::kMiB));
    ASSERT_LT(messages, 3);
  }
}

TEST_F(LedgerTest, ACancelThatComesAfterTheAcceptanceOfAPutTakesItBack) {
  const FutureStateRef put = Submit("x");
  put->traits.until_accepted = true;
  Open(7);
  Next();
  Accept(1, 1);
  EXPECT_TRUE(put->IsDone());
  ledger_.Cancel(put, effects_);
  EXPECT_THAT(Next().cancel_task_ids(), ElementsAre("7-1"));
  // It may have been lost with its stream.
  Open(7, true);
  EXPECT_THAT(Next().cancel_task_ids(), ElementsAre("7-1"));
  Unknown({7, 1});
  EXPECT_EQ(ledger_.pending(), 0u);
  Open(7, true);
  EXPECT_FALSE(ledger_.HasCancels());
}

TEST_F(LedgerTest, APutThatIsCancelledIsFollowedToItsEnd) {
  const FutureStateRef put = Submit("x");
  put->traits.until_accepted = true;
  Open(7);
  Next();
  ledger_.Cancel(put, effects_);
  Open(7, true);
  EXPECT_THAT(Sequences(Next()), ElementsAre(1));
  Accept(1, 1);
  EXPECT_TRUE(put->IsAccepted());
  EXPECT_FALSE(put->IsDone());
  const v1::SessionRequest cancel = Next();
  EXPECT_THAT(cancel.cancel_task_ids(), ElementsAre("7-1"));
  EXPECT_THAT(cancel.await_task_ids(), ElementsAre("7-1"));
  Open(7, true);
  EXPECT_THAT(Next().cancel_task_ids(), ElementsAre("7-1"));
  Unknown({7, 1});
  EXPECT_TRUE(put->IsDone());
}

TEST_F(LedgerTest, OnlyWhatHasWaitedLongIsGivenUp) {
  const auto time = [](int seconds) { return Ledger::TimePoint(std::chrono::seconds(seconds)); };
  const auto submit = [&](int seconds) {
    FutureStateRef state = Submit("x");
    state->since = time(seconds);
    return state;
  };
  const FutureStateRef accepted = submit(1);
  const FutureStateRef sent = submit(2);
  const FutureStateRef sent_late = submit(5);
  Open(7);
  Next();
  const FutureStateRef followed_late = Attach({7, 1});
  followed_late->since = time(6);
  Accept(1, 1);
  const FutureStateRef unsent = submit(3);
  const FutureStateRef unsent_late = submit(4);
  ledger_.Cancel(sent, effects_);
  EXPECT_EQ(ledger_.EndOlder(time(3), absl::UnavailableError("away"), effects_), time(4));
  EXPECT_EQ(unsent->status, absl::UnavailableError("away"));
  EXPECT_EQ(sent->status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(accepted->status.code(), absl::StatusCode::kAborted);
  for (const FutureStateRef& late : {sent_late, followed_late, unsent_late}) {
    EXPECT_FALSE(late->IsDone());
  }
  // What goes on goes on as if nothing had been; the cancel of one that may be there is sent.
  Open(7, true);
  const v1::SessionRequest message = Next();
  EXPECT_THAT(Sequences(message), ElementsAre(3, 4));
  EXPECT_THAT(message.cancel_task_ids(), ElementsAre("7-2"));
  EXPECT_THAT(message.await_task_ids(), ElementsAre("7-1"));
  EXPECT_EQ(ledger_.EndOlder(time(9), absl::UnavailableError("away"), effects_),
            Ledger::TimePoint::max());
  EXPECT_EQ(ledger_.pending(), 0u);
  EXPECT_EQ(effects_.answered_tasks, 5);
}

TEST_F(LedgerTest, ManyFuturesOfOneTaskEndTogether) {
  const FutureStateRef own = Submit("x");
  Open(7);
  Next();
  const FutureStateRef early = Attach({7, 1});  // before its acceptance
  Accept(1, 1);
  EXPECT_TRUE(own->IsAccepted());
  const FutureStateRef late = Attach({7, 1});
  Succeed({7, 1}, "r");
  EXPECT_EQ(own->result, "r");
  EXPECT_EQ(early->result, "r");
  EXPECT_EQ(late->result, "r");
  EXPECT_EQ(ledger_.pending(), 0u);
}

TEST_F(LedgerTest, AnUnknownTaskIsNotFound) {
  const FutureStateRef state = Attach({3, 9});
  Open(7);
  EXPECT_THAT(Next().await_task_ids(), ElementsAre("3-9"));
  Unknown({3, 9});
  EXPECT_EQ(state->status.code(), absl::StatusCode::kNotFound);
}

TEST_F(LedgerTest, NonsenseFromTheBrokerChangesNothing) {
  const FutureStateRef state = Submit("x");
  Open(7);
  Next();
  Accept(2, UINT64_MAX);
  Accept(0, 0);
  Accept(5, 3);
  Succeed({8, 8}, "");
  Unknown({7, 1});
  v1::SessionResponse response;
  response.add_outcomes()->set_task_id("no id");
  response.add_unknown_tasks()->set_task_id("");
  response.add_refused()->set_first_sequence(99);
  response.mutable_refused(0)->set_last_sequence(UINT64_MAX);
  response.add_existing()->set_sequence(99);
  v1::OutcomeRun& run = *response.add_succeeded();
  run.set_first_sequence(UINT64_MAX);
  run.add_result_sizes(UINT32_MAX);
  run.add_result_sizes(UINT32_MAX);
  ledger_.Handle(response, effects_);
  EXPECT_FALSE(state->IsAccepted());
  EXPECT_FALSE(state->IsDone());
  Accept(0, UINT64_MAX);
  EXPECT_TRUE(state->IsAccepted());
  EXPECT_EQ(Next().acknowledged_below(), 2u);
}

TEST_F(LedgerTest, EndAllEndsEverythingAndSendsNothingAgain) {
  const FutureStateRef sent = Submit("sent");
  Open(7);
  Next();
  const FutureStateRef unsent = Submit("unsent");
  const FutureStateRef attached = Attach({3, 3});
  ledger_.EndAll(absl::UnavailableError("gone"), effects_);
  EXPECT_EQ(unsent->status, absl::UnavailableError("gone"));
  for (const FutureStateRef& state : {sent, attached}) {
    EXPECT_EQ(state->status.code(), absl::StatusCode::kAborted);
    EXPECT_THAT(std::string(state->status.message()), HasSubstr("gone; "));
  }
  EXPECT_EQ(effects_.answered_tasks, 2);
  Open(7, true);
  const v1::SessionRequest request = Next();
  EXPECT_THAT(Sequences(request), IsEmpty());
  EXPECT_EQ(request.acknowledged_below(), 2u);
}

// Should a broker give a number twice all the same, the old tasks are not taken for the new ones.
TEST_F(LedgerTest, AnotherSessionOfTheSameNumberIsAStranger) {
  Open(2);
  const FutureStateRef lost = Submit("lost");
  const FutureStateRef unanswered = Submit("unanswered");
  Next();
  Accept(1, 1);
  const FutureStateRef fresh = Submit("fresh");
  Open(2);
  EXPECT_EQ(lost->status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(unanswered->status.code(), absl::StatusCode::kAborted);
  const v1::SessionRequest request = Next();
  ASSERT_THAT(Sequences(request), ElementsAre(1));
  EXPECT_EQ(Payload(request, 0), "fresh");
  EXPECT_EQ(request.await_task_ids_size(), 0);
  Accept(1, 1);
  Succeed({2, 1}, "result");
  EXPECT_EQ(fresh->result, "result");
}

TEST_F(LedgerTest, ASessionsSecretIsTheOneThatItsBrokerGave) {
  EXPECT_EQ(ledger_.resume_secret(), "");
  v1::SessionOpened opened;
  opened.set_session_id(7);
  opened.set_resume_secret("0123456789abcdef");
  ledger_.StreamOpened(opened, effects_);
  EXPECT_EQ(ledger_.resume_secret(), "0123456789abcdef");
  opened.set_session_id(8);
  opened.set_resume_secret("fedcba9876543210");
  ledger_.StreamOpened(opened, effects_);
  EXPECT_EQ(ledger_.resume_secret(), "fedcba9876543210");
}

}  // namespace
}  // namespace treadle::client
