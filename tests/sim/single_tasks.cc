#include "tests/sim/single_tasks.h"

#include "proto/support/assert.h"
#include "server/broker/body.h"

namespace treadle::sim {
namespace {

engine::Token After(engine::Token token) { return engine::Token{static_cast<uint64_t>(token) + 1}; }

}  // namespace

std::vector<std::string_view> Cut(std::string_view bytes, const std::vector<uint32_t>& sizes) {
  if (sizes.empty()) return {bytes};
  std::vector<std::string_view> parts;
  for (const uint32_t size : sizes) {
    TREADLE_ASSERT(size <= bytes.size());
    parts.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  TREADLE_ASSERT(bytes.empty());
  return parts;
}

std::string_view BytesOrNone(const broker::BodyPart& part) {
  return part.body == nullptr ? std::string_view() : broker::BytesIn(part);
}

std::vector<std::pair<engine::TaskRow, std::string>> TasksOf(const engine::TaskRow& row,
                                                             std::string_view payloads) {
  std::vector<std::pair<engine::TaskRow, std::string>> tasks;
  engine::TaskRow task = row;
  task.payload_sizes.clear();
  for (const std::string_view payload : Cut(payloads, row.payload_sizes)) {
    task.spec.payload_bytes = payload.size();
    tasks.emplace_back(task, payload);
    ++task.id.sequence;
    ++task.order;
  }
  return tasks;
}

std::vector<std::pair<engine::FinishedRow, std::string>> OutcomesOf(const engine::FinishedRow& row,
                                                                    std::string_view results) {
  std::vector<std::pair<engine::FinishedRow, std::string>> outcomes;
  engine::FinishedRow outcome = row;
  outcome.tasks = 1;
  outcome.body = {};
  outcome.payload_sizes.clear();
  outcome.result_sizes.clear();
  for (const std::string_view result : Cut(results, row.result_sizes)) {
    if (row.tasks > 1) outcome.payload_bytes = row.payload_sizes.at(outcomes.size());
    outcomes.emplace_back(outcome, result);
    ++outcome.id.sequence;
  }
  TREADLE_ASSERT(outcomes.size() == row.tasks);
  return outcomes;
}

std::vector<std::pair<engine::Token, TaskId>> LeasesOf(const engine::GrantRow& row) {
  std::vector<std::pair<engine::Token, TaskId>> leases;
  engine::Token token = row.first_token;
  for (const engine::TaskRange& tasks : row.tasks) {
    for (uint32_t i = 0; i < tasks.count; ++i) {
      leases.emplace_back(token, tasks.At(i));
      token = After(token);
    }
  }
  return leases;
}

std::vector<std::pair<engine::Lease, std::string_view>> LeasesOf(const broker::Leased& leased) {
  std::vector<std::pair<engine::Lease, std::string_view>> leases;
  for (const broker::LeasedRun& run : leased.runs) {
    const std::vector<std::string_view> payloads =
        Cut(BytesOrNone(run.payload), run.lease.payload_sizes);
    TREADLE_ASSERT(payloads.size() == run.lease.tasks);
    engine::Lease lease = run.lease;
    lease.tasks = 1;
    lease.payload_sizes.clear();
    for (const std::string_view payload : payloads) {
      lease.payload_bytes = payload.size();
      leases.emplace_back(lease, payload);
      lease.payload_begin += payload.size();
      ++lease.task.sequence;
      lease.token = After(lease.token);
    }
  }
  return leases;
}

std::vector<engine::EndAttempt> ReportsOf(const engine::EndAttempt& end) {
  std::vector<engine::EndAttempt> reports;
  engine::EndAttempt report = end;
  report.result_sizes.clear();
  report.body = {};
  for (uint32_t i = 0; i < end.tasks(); ++i) {
    reports.push_back(report);
    report.token = After(report.token);
  }
  return reports;
}

std::vector<engine::Submitted> AnswersOf(const engine::Submitted& submitted) {
  std::vector<engine::Submitted> answers;
  engine::Submitted answer = submitted;
  answer.tasks = 1;
  for (uint32_t i = 0; i < submitted.tasks; ++i) {
    answers.push_back(answer);
    ++answer.item;
    ++answer.id.sequence;
  }
  return answers;
}

}  // namespace treadle::sim
