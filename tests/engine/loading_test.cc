#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/engine/engine.h"

// A store whose rows contradict each other is refused with a sentence that names what is wrong.

namespace treadle::engine {
namespace {

using testing::HasSubstr;

TaskRow AcceptedTask(TaskId id, uint64_t order) {
  TaskRow row;
  row.id = id;
  row.spec.queue = "mail";
  row.spec.type = "send";
  row.order = order;
  row.submitted_at_ms = 1'000;
  return row;
}

TaskRow AcceptedRun(TaskId first, uint64_t order, uint32_t tasks) {
  TaskRow row = AcceptedTask(first, order);
  row.payload_sizes.assign(tasks, 10);
  row.spec.payload_bytes = 10 * tasks;
  return row;
}

QueueRow MailQueue() {
  QueueRow row;
  row.config.name = "mail";
  row.config.max_tasks = 100;
  row.config.max_bytes = 1'000;
  return row;
}

AttemptRow Attempt(TaskId id) {
  AttemptRow row;
  row.id = id;
  return row;
}

GrantRow Grant(uint64_t number, uint64_t first_token, std::vector<TaskRange> tasks) {
  GrantRow row;
  row.grant = GrantId{number};
  row.worker_id = "w1";
  row.first_token = Token{first_token};
  row.lease_ms = 15'000;
  row.tasks = std::move(tasks);
  return row;
}

// Two queued tasks, the counters well beyond them.
std::vector<Row> Sound() {
  return {MetaRow{10, 10, 10, 10}, MailQueue(), AcceptedTask({1, 1}, 1), AcceptedTask({1, 2}, 2)};
}

absl::Status Load(const std::vector<Row>& rows) {
  Engine engine{EngineOptions()};
  for (const Row& row : rows) {
    if (const absl::Status status = engine.Load(row); !status.ok()) return status;
  }
  const absl::Status status = engine.FinishLoad(5'000);
  if (status.ok()) engine.CheckInvariants();
  return status;
}

absl::Status LoadWith(const std::vector<Row>& more) {
  std::vector<Row> rows = Sound();
  rows.insert(rows.end(), more.begin(), more.end());
  return Load(rows);
}

void ExpectDataLoss(const absl::Status& status, const std::string& what) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
}

TEST(Loading, AnEmptyStoreIsANewEngine) { EXPECT_TRUE(Load({}).ok()); }

TEST(Loading, SoundRowsLoadInAnyOrder) {
  std::vector<Row> rows = Sound();
  rows.push_back(Attempt({1, 1}));
  rows.push_back(Grant(3, 5, {{{1, 1}}, {{1, 7}}}));
  EXPECT_TRUE(Load(rows).ok());
  std::reverse(rows.begin(), rows.end());
  EXPECT_TRUE(Load(rows).ok());
}

TEST(Loading, ARangeOfLeasesLoadsThoughSomeAreOver) {
  AttemptRow attempt = Attempt({1, 5});
  attempt.last_token = Token{7};
  std::vector<Row> rows = Sound();
  rows.push_back(AcceptedRun({1, 3}, 3, 5));
  rows.push_back(RunRow{{1, 3}, {{4, 4}}});
  rows.push_back(attempt);
  rows.push_back(Grant(3, 5, {{{1, 3}, 5}}));
  EXPECT_TRUE(Load(rows).ok());
  std::reverse(rows.begin(), rows.end());
  EXPECT_TRUE(Load(rows).ok());
}

TEST(Loading, FinishedTasksAndTheirKeysAreIgnored) {
  FinishedRow finished;
  finished.id = TaskId{1, 9};
  EXPECT_TRUE(LoadWith({finished, KeyRow{"mail", "k", {1, 9}}}).ok());
}

TEST(Loading, RefusesRowsThatAreThereTwice) {
  ExpectDataLoss(LoadWith({MetaRow()}), "two rows of counters");
  ExpectDataLoss(LoadWith({MailQueue()}), "two rows for queue 'mail'");
  ExpectDataLoss(LoadWith({AcceptedTask({1, 1}, 3)}), "two rows for task 1-1");
  ExpectDataLoss(LoadWith({Attempt({1, 1}), Attempt({1, 1})}), "two rows of attempts");
  ExpectDataLoss(LoadWith({SessionRow{1}, SessionRow{1}}), "two rows for session 1");
}

TEST(Loading, RefusesTasksWithoutTheirQueue) {
  ExpectDataLoss(Load({MetaRow{10, 10, 10, 10}, AcceptedTask({1, 1}, 1)}), "no row of the queue");
}

TEST(Loading, RefusesTwoTasksInOnePlace) {
  ExpectDataLoss(LoadWith({AcceptedTask({1, 3}, 2)}), "same place in submit order");
}

TEST(Loading, RefusesWhatIsNewerThanTheCounters) {
  ExpectDataLoss(LoadWith({AcceptedTask({1, 3}, 10)}), "task 1-3 is newer");
  ExpectDataLoss(LoadWith({AcceptedTask({10, 1}, 3)}), "is newer");
  ExpectDataLoss(LoadWith({SessionRow{10}}), "session 10 is newer");
  ExpectDataLoss(LoadWith({Grant(10, 1, {{{1, 1}}})}), "grant 10 is newer");
  ExpectDataLoss(LoadWith({Grant(3, 9, {{{1, 1}}, {{1, 2}}})}), "grant 3 is newer");
  ExpectDataLoss(LoadWith({Grant(3, 9, {{{1, 1}, 2}})}), "grant 3 is newer");
  ExpectDataLoss(LoadWith({Grant(3, 20, {{{1, 1}}})}), "grant 3 is newer");
  AttemptRow attempt = Attempt({1, 1});
  attempt.last_token = Token{10};
  ExpectDataLoss(LoadWith({attempt}), "token of task 1-1 is newer");
}

TEST(Loading, RefusesTasksWithoutCounters) {
  ExpectDataLoss(Load({MailQueue(), AcceptedTask({1, 1}, 1)}), "is newer than the counters");
}

TEST(Loading, RefusesAttemptsOfNoTask) {
  ExpectDataLoss(LoadWith({Attempt({1, 9})}), "attempts of task 1-9, which has no row");
}

TEST(Loading, RefusesATaskThatHasSpentItsAttemptsAndHasNotEnded) {
  AttemptRow attempt = Attempt({1, 1});
  attempt.attempts_spent = 3;
  ExpectDataLoss(LoadWith({attempt}), "has spent 3 of 3 attempts");
}

TEST(Loading, RefusesATaskThatIsLeasedTwice) {
  ExpectDataLoss(LoadWith({Grant(1, 1, {{{1, 1}}}), Grant(2, 2, {{{1, 1}}})}),
                 "task 1-1 is leased twice");
}

TEST(Loading, RefusesGrantsThatShareTokens) {
  ExpectDataLoss(LoadWith({Grant(1, 1, {{{1, 1}}, {{1, 2}}}), Grant(2, 2, {{{1, 2}}})}),
                 "tokens of an earlier one");
  ExpectDataLoss(LoadWith({Grant(1, 1, {{{1, 1}, 2}}), Grant(2, 2, {{{1, 2}}})}),
                 "tokens of an earlier one");
}

TEST(Loading, RefusesAGrantWhoseLeasesAreAllOver) {
  AttemptRow attempt = Attempt({1, 1});
  attempt.last_token = Token{4};
  ExpectDataLoss(LoadWith({attempt, Grant(1, 4, {{{1, 1}}, {{1, 8}}})}), "no lease that lives");
}

TEST(Loading, RefusesACancelledTaskThatDoesNotRun) {
  AttemptRow attempt = Attempt({1, 1});
  attempt.cancel_requested = true;
  ExpectDataLoss(LoadWith({attempt}), "was told to stop and does not run");
}

TEST(Loading, RefusesAPriorityWhereThereIsNone) {
  TaskRow task = AcceptedTask({1, 3}, 3);
  task.spec.priority = 5;
  ExpectDataLoss(LoadWith({task}), "has a priority in queue 'mail'");
}

TEST(Loading, RefusesTwoTasksWithOneRequestKey) {
  TaskRow first = AcceptedTask({1, 3}, 3);
  first.spec.request_key = "k";
  TaskRow second = AcceptedTask({1, 4}, 4);
  second.spec.request_key = "k";
  ExpectDataLoss(LoadWith({first, second}), "has the request key of another one");
}

TEST(Loading, RefusesSessionsWithoutOrder) {
  ExpectDataLoss(LoadWith({SessionRow{1, 5, {{4, 6}}}}), "session 1 has accepted sequences");
  ExpectDataLoss(LoadWith({SessionRow{1, 1, {{4, 6}, {5, 9}}}}), "session 1 has accepted");
  ExpectDataLoss(LoadWith({SessionRow{0, 1, {}}}), "a session without a number");
}

TEST(Loading, RefusesATaskRowThatNoSubmitMade) {
  ExpectDataLoss(LoadWith({AcceptedTask({0, 1}, 3)}), "not one of an accepted task");
  ExpectDataLoss(LoadWith({AcceptedTask({1, 3}, 0)}), "not one of an accepted task");
}

TEST(Loading, ReportsThatContradictEachOtherAreRefused) {
  const AcceptedReport report{Token{3}, AttemptEnd::kSucceeded};
  const ReportsRow reports{1, {report}};
  EXPECT_TRUE(LoadWith({reports}).ok());
  ExpectDataLoss(LoadWith({reports, reports}), "row 1 are there twice");
  ExpectDataLoss(LoadWith({reports, ReportsRow{2, {report}}}), "row 2 are there twice");
  ExpectDataLoss(LoadWith({ReportsRow{1, {{Token{10}, AttemptEnd::kSucceeded}}}}),
                 "token 10 of a report is newer than the counters");
}

}  // namespace
}  // namespace treadle::engine
