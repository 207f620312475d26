#include "tests/broker/sample_rows.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace treadle::broker {

Body SomeBody() {
  return {std::string("\0\x01payload\xff", 10), "text/plain", {{"a", "b"}, {"", ""}}};
}

engine::TaskRow SomeTask() {
  engine::TaskRow row;
  row.id = kTask;
  row.spec.queue = "mail";
  row.spec.type = "send";
  row.spec.priority = -5;
  row.spec.run_at_ms = 11;
  row.spec.deadline_at_ms = 12;
  row.spec.attempt_timeout_ms = 13;
  row.spec.result_ttl_ms = 0;
  row.spec.max_attempts = 7;
  row.spec.durability = engine::Durability::kWritten;
  row.spec.payload_bytes = 10;
  row.spec.retry = std::make_shared<engine::RetryPolicy>(
      engine::RetryPolicy{1, 1.5, 3, 0.25, {"ValueError", "KeyError"}});
  row.spec.request_key = "once";
  row.spec.digest = {1, std::numeric_limits<uint64_t>::max()};
  row.order = 99;
  row.submitted_at_ms = 1'000;
  return row;
}

engine::TaskRow SomeRun() {
  engine::TaskRow row;
  row.id = {kTask.session, 78};
  row.spec.queue = "mail";
  row.spec.payload_bytes = 10;
  row.payload_sizes = {0, 7, 0, 3};
  row.order = 100;
  return row;
}

std::vector<engine::FailedAttempt> SomeFailed() {
  return {{{"ExitStatus", "gone", "w2", 1, false, 3, std::nullopt, 0}, 1, 2, 3, 4},
          {{"Lost", "", "w3", 2, true, std::nullopt, 9, std::nullopt}, 5, 6, 0, 7}};
}

engine::DeadLetterRow SomeLetter() {
  engine::DeadLetterRow row;
  row.queue = std::make_shared<const std::string>("mail");
  row.number = 258;
  row.id = kTask;
  row.type = std::make_shared<const std::string>("send");
  row.priority = -3;
  row.attempts = 2;
  row.max_attempts = 4;
  row.submitted_at_ms = 1;
  row.deadline_at_ms = 2;
  row.finished_at_ms = 3;
  row.dead_since_ms = 4;
  row.payload_bytes = 10;
  row.request_key = "once";
  row.failed = SomeFailed();
  row.error = {"ValueError", "no", "w1", 2, true, std::nullopt, 9, 7'000};
  row.group = 0xfedcba9876543210;
  row.bytes = 213;
  return row;
}

engine::LetterGroupRow SomeGroup() {
  return {.queue = std::make_shared<const std::string>("mail"),
          .fingerprint = 0xfedcba9876543210,
          .group = {.type = std::make_shared<const std::string>("send"),
                    .error_type = "ValueError",
                    .error_message = "no",
                    .count = 3,
                    .bytes = 600,
                    .first_at_ms = 8,
                    .last_at_ms = 9,
                    .last = kTask}};
}

engine::FinishedRow SomeFinished() {
  engine::FinishedRow row;
  row.id = kTask;
  row.queue = std::make_shared<const std::string>("mail");
  row.type = std::make_shared<const std::string>("send");
  row.state = engine::TaskState::kFailed;
  row.priority = -1;
  row.attempts = 2;
  row.max_attempts = 3;
  row.submitted_at_ms = 1;
  row.deadline_at_ms = 2;
  row.finished_at_ms = 3;
  row.expires_at_ms = 3'999;
  row.drop_at_ms = 4'000;
  row.payload_bytes = 5;
  row.request_key = "once";
  row.worker = std::make_shared<const std::string>("w1");
  row.leased_at_ms = 4;
  row.started_at_ms = 5;
  row.failed = SomeFailed();
  row.error = {"ValueError", std::string("bad \xff\0 bytes", 12), "w1", 2, true, std::nullopt, 9,
               7'000};
  return row;
}

engine::FinishedRow SomeOutcomes() {
  engine::FinishedRow row;
  row.id = {kTask.session, 78};
  row.tasks = 3;
  row.task_row_stays = true;
  row.queue = std::make_shared<const std::string>("mail");
  row.type = std::make_shared<const std::string>("send");
  row.attempts = 1;
  row.max_attempts = 3;
  row.drop_at_ms = 4'000;
  row.payload_bytes = 10;
  row.payload_sizes = {0, 7, 3};
  row.result_sizes = {5, 0, 5};
  return row;
}

engine::JobRow SomeJob() {
  engine::JobRow job;
  job.id = 12;
  job.spec = {.action = engine::JobAction::kRedriveLetters,
              .queue = "mail",
              .match = {"send", 0xfedcba9876543210},
              .states = 6,
              .filter = "age>5m -worker:w7",
              .to = {"slow", 9},
              .dry_run = true,
              .tasks_per_second = 50,
              .reason = "the server is up again"};
  job.state = engine::JobState::kCancelled;
  job.started_at_ms = 5;
  job.ended_at_ms = 6;
  job.next = 257;
  job.end = 300;
  job.total = 44;
  job.looked_at = 11;
  job.done = 3;
  job.refused = 2;
  job.refusals = {{kTask, 3, "no"}, {{1, 2}, 15, "lost"}};
  return job;
}

engine::DrainRow SomeDrain() {
  return {.id = 13,
          .match = {"gpu-*", {{"rack", ""}, {"zone", "a"}}},
          .reason = "new drivers",
          .created_at_ms = 5,
          .until_ms = 6'000};
}

engine::ActionRow SomeAction() {
  return {.number = 259,
          .at_ms = 5,
          .kind = engine::ActionKind::kQueueUpdated,
          .subject = "mail",
          .details = "max_tasks 10 -> 20",
          .reason = "more mail",
          .actor = {"ann@build-7", "ipv4:10.0.0.7:51234"}};
}

engine::OutputRow SomeOutput() {
  return {.task = kTask,
          .next = 40,
          .attempts = {{.token = engine::Token{8},
                        .number = 2,
                        .first = 30,
                        .next_index = 10,
                        .bytes = 300,
                        .full = true}}};
}

engine::OutputPieceRow SomeOutputPiece() {
  return {.task = kTask,
          .first = 258,
          .token = engine::Token{8},
          .attempt = 2,
          .entries = {{engine::OutputKind::kLog, 5, "half of it is done", ""},
                      {engine::OutputKind::kPart, 6, "{}", "application/json"}}};
}

std::vector<engine::Row> OneOfEachKind() {
  engine::QueueRow queue;
  queue.config = {"mail", engine::Discipline::kPriority, 10, 20, {5, 6'000, 7'000'000}};
  queue.config.breaker = {50, 30, 90'000, 600'000};
  queue.config.fail_unserved_after_ms = 700'000;
  queue.pause = {77, 88, true, "12 of 20 attempts failed"};
  queue.version = 6;
  queue.closed = true;
  queue.created_at_ms = 5;
  engine::AttemptRow attempt;
  attempt.id = kTask;
  attempt.attempts_spent = 2;
  attempt.last_token = engine::Token{8};
  attempt.run_at_ms = 6;
  attempt.lease_ms = 60'000;
  attempt.losses = 2;
  attempt.returns = 3;
  attempt.cancel_requested = true;
  attempt.cancel_reason = "duplicate";
  attempt.suspect = true;
  attempt.failed = SomeFailed();
  engine::GrantRow grant;
  grant.grant = engine::GrantId{3};
  grant.worker_id = "id";
  grant.worker_name = "name";
  grant.first_token = engine::Token{4};
  grant.granted_at_ms = 5;
  grant.lease_ms = 6;
  grant.tasks = {{kTask, 3}, {{1, 2}, 1}};
  engine::SessionRow session;
  session.session = 9;
  session.floor = 4;
  session.accepted = {{4, 6}, {9, 9}};
  session.secret = {UINT64_MAX, 12};
  engine::ReportsRow reports;
  reports.number = 8;
  reports.reports = {{engine::Token{4}, engine::AttemptEnd::kSucceeded},
                     {engine::Token{5}, engine::AttemptEnd::kReleased}};
  return {engine::MetaRow{2, 3, 4, 5, 6, 7},
          queue,
          SomeTask(),
          attempt,
          grant,
          SomeFinished(),
          session,
          reports,
          engine::KeyRow{"mail", "once", kTask, {1, 2}, 7'000},
          engine::ClockRow{{1, -2, 3, "boot"}},
          SomeRun(),
          engine::RunRow{SomeRun().id, {{78, 78}, {80, 81}}},
          SomeOutcomes(),
          SomeLetter(),
          engine::DeadTaskRow{SomeTask(), 258},
          SomeGroup(),
          engine::LetterMoveRow{kTask, SomeGroup().queue, 258, SomeRun().id},
          SomeJob(),
          SomeDrain(),
          SomeAction(),
          SomeOutput(),
          SomeOutputPiece(),
          engine::OutputExpiryRow{258, kTask, 30}};
}

}  // namespace treadle::broker
