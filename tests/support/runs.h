#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/task_id.h"
#include "proto/wire/column.h"
#include "treadle/v1/task_service.pb.h"

// The runs of a session's messages, as the single tasks that they stand for.

namespace treadle::test {

class SequencedTask {
 public:
  SequencedTask(uint64_t sequence, v1::TaskSpec task)
      : sequence_(sequence), task_(std::move(task)) {}

  uint64_t sequence() const { return sequence_; }
  const v1::TaskSpec& task() const { return task_; }

 private:
  uint64_t sequence_;
  v1::TaskSpec task_;
};

inline std::vector<SequencedTask> TasksOf(const v1::SessionRequest& request) {
  std::vector<SequencedTask> tasks;
  for (const v1::TaskRun& run : request.runs()) {
    wire::ForEachItem(run.payload_sizes(), run.payloads(),
                      [&](size_t i, absl::string_view payload) {
                        v1::TaskSpec task = run.common();
                        task.set_payload(std::string(payload));
                        if (run.request_keys_size() > 0)
                          task.set_request_key(run.request_keys(static_cast<int>(i)));
                        tasks.emplace_back(run.first_sequence() + i, std::move(task));
                      });
  }
  return tasks;
}

// As a run of one.
inline void AddTask(uint64_t sequence, v1::TaskSpec task, v1::SessionRequest& request) {
  v1::TaskRun& run = *request.add_runs();
  run.set_first_sequence(sequence);
  run.add_payload_sizes(static_cast<uint32_t>(task.payload().size()));
  run.set_payloads(std::move(*task.mutable_payload()));
  if (!task.request_key().empty()) run.add_request_keys(std::move(*task.mutable_request_key()));
  task.clear_payload();
  task.clear_request_key();
  *run.mutable_common() = std::move(task);
}

// What ended, in runs of this session and alone.
inline std::vector<v1::Outcome> OutcomesOf(const v1::SessionResponse& response, uint64_t session) {
  std::vector<v1::Outcome> outcomes;
  for (const v1::OutcomeRun& run : response.succeeded()) {
    wire::ForEachItem(run.result_sizes(), run.results(), [&](size_t i, absl::string_view result) {
      v1::Outcome& outcome = outcomes.emplace_back();
      outcome.set_task_id(TaskId{session, run.first_sequence() + i}.ToString());
      outcome.set_state(v1::TASK_STATE_SUCCEEDED);
      outcome.set_result(std::string(result));
      outcome.set_content_type(run.content_type());
      outcome.set_attempts(run.attempts());
      outcome.set_finished_at_ms(run.finished_at_ms());
    });
  }
  outcomes.insert(outcomes.end(), response.outcomes().begin(), response.outcomes().end());
  return outcomes;
}

}  // namespace treadle::test
