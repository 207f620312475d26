#include "server/rpc/job_service.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/task_id.h"
#include "server/engine/refusals.h"
#include "server/rpc/change.h"
#include "server/rpc/convert.h"
#include "server/rpc/page_token.h"
#include "server/rpc/task_search.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/validate.h"
#include "treadle/v1/job_service.pb.h"

namespace treadle::rpc {
namespace {

constexpr uint32_t Bit(int state) { return 1u << static_cast<uint32_t>(state); }

// `states`: those that tasks of this selection may be in; 0: all that are not final.
absl::Status ReadSelectionFilter(const std::string& path, const std::string& filter,
                                 uint32_t states, const char* what, engine::JobSpec& spec) {
  const absl::StatusOr<TaskSearch> search = TaskSearch::ReadUnordered(path, filter);
  if (!search.ok()) return search.status();
  if ((states == 0 ? search->unfinished_states() : search->states() & states) == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": no ", what, " can match it: look at its words state, due, finished and dead"));
  }
  spec.filter = filter;
  return absl::OkStatus();
}

absl::Status ReadLetters(const v1::DeadLetterSelection& letters, const std::string& path,
                         engine::JobSpec& spec) {
  if (absl::Status s = ValidateName(path + ".letters.queue", letters.queue()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName(path + ".letters.type", letters.type()); !s.ok()) {
    return s;
  }
  spec.queue = letters.queue();
  spec.match.type = letters.type();
  if (absl::Status s = ReadSelectionFilter(path + ".letters.filter", letters.filter(),
                                           Bit(v1::TASK_STATE_FAILED), "dead letter", spec);
      !s.ok()) {
    return s;
  }
  if (letters.group().empty()) return absl::OkStatus();
  const absl::StatusOr<uint64_t> group = ReadGroup(letters.group());
  if (group.ok()) spec.match.group = *group;
  return group.status();
}

absl::Status ReadRedrive(const v1::RedriveAction& redrive, engine::JobSpec& spec) {
  const std::string path = "spec.redrive_dead_letters";
  spec.action = engine::JobAction::kRedriveLetters;
  if (absl::Status s = ValidateOptionalName(path + ".queue", redrive.queue()); !s.ok()) return s;
  if (absl::Status s =
          ValidateRange(path + ".max_attempts", redrive.max_attempts(), 0, limits::kAttemptsMax);
      !s.ok()) {
    return s;
  }
  spec.to = {.queue = redrive.queue(), .max_attempts = redrive.max_attempts()};
  return ReadLetters(redrive.letters(), path, spec);
}

absl::Status ReadDelete(const v1::DeleteAction& remove, engine::JobSpec& spec) {
  spec.action = engine::JobAction::kDeleteLetters;
  return ReadLetters(remove.letters(), "spec.delete_dead_letters", spec);
}

absl::Status ReadCancel(const v1::CancelAction& cancel, engine::JobSpec& spec) {
  const std::string path = "spec.cancel_tasks.tasks";
  const v1::TaskSelection& tasks = cancel.tasks();
  spec.action = engine::JobAction::kCancelTasks;
  if (absl::Status s = ValidateOptionalName(path + ".queue", tasks.queue()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName(path + ".type", tasks.type()); !s.ok()) return s;
  for (const int state : tasks.states()) {
    if (state < v1::TASK_STATE_SCHEDULED || state > v1::TASK_STATE_RUNNING) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ".states: ", state,
                       " is no state that can be cancelled; use TASK_STATE_SCHEDULED, "
                       "TASK_STATE_QUEUED or TASK_STATE_RUNNING"));
    }
    spec.states |= Bit(state);
  }
  spec.queue = tasks.queue();
  spec.match.type = tasks.type();
  const char* const what = spec.states == 0 ? "unfinished task" : "task in these states";
  return ReadSelectionFilter(path + ".filter", tasks.filter(), spec.states, what, spec);
}

absl::Status ReadAction(const v1::JobSpec& job, engine::JobSpec& spec) {
  switch (job.action_case()) {
    case v1::JobSpec::kRedriveDeadLetters:
      return ReadRedrive(job.redrive_dead_letters(), spec);
    case v1::JobSpec::kDeleteDeadLetters:
      return ReadDelete(job.delete_dead_letters(), spec);
    case v1::JobSpec::kCancelTasks:
      return ReadCancel(job.cancel_tasks(), spec);
    case v1::JobSpec::ACTION_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "spec.action: absent; set redrive_dead_letters, delete_dead_letters or cancel_tasks");
}

absl::StatusOr<engine::JobSpec> ReadSpec(const v1::JobSpec& job) {
  engine::JobSpec spec;
  if (absl::Status s = ReadAction(job, spec); !s.ok()) return s;
  if (absl::Status s = ValidateRange("spec.tasks_per_second", job.tasks_per_second(), 0,
                                     limits::kJobTasksPerSecondMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateOptionalName("spec.reason", job.reason()); !s.ok()) return s;
  spec.dry_run = job.dry_run();
  spec.tasks_per_second = job.tasks_per_second();
  spec.reason = job.reason();
  return spec;
}

absl::StatusOr<uint64_t> ReadJobId(const std::string& text) {
  const std::optional<uint64_t> id = ParseNumber(text);
  if (id.has_value()) return *id;
  return absl::InvalidArgumentError(
      absl::StrCat("job_id: '", text.substr(0, kShownIdBytes),
                   "' is not a job's id; use the one that StartJob returned"));
}

void ShowSpec(const engine::JobSpec& spec, v1::JobSpec* out) {
  const auto letters = [&spec](v1::DeadLetterSelection& to) {
    to.set_queue(spec.queue);
    to.set_type(spec.match.type);
    to.set_filter(spec.filter);
    if (spec.match.group.has_value()) to.set_group(WriteGroup(*spec.match.group));
  };
  switch (spec.action) {
    case engine::JobAction::kRedriveLetters:
      letters(*out->mutable_redrive_dead_letters()->mutable_letters());
      out->mutable_redrive_dead_letters()->set_queue(spec.to.queue);
      out->mutable_redrive_dead_letters()->set_max_attempts(spec.to.max_attempts);
      break;
    case engine::JobAction::kDeleteLetters:
      letters(*out->mutable_delete_dead_letters()->mutable_letters());
      break;
    case engine::JobAction::kCancelTasks: {
      v1::TaskSelection& tasks = *out->mutable_cancel_tasks()->mutable_tasks();
      tasks.set_queue(spec.queue);
      tasks.set_type(spec.match.type);
      tasks.set_filter(spec.filter);
      for (int state = v1::TASK_STATE_SCHEDULED; state <= v1::TASK_STATE_RUNNING; ++state) {
        if ((spec.states & Bit(state)) != 0) {
          tasks.add_states(static_cast<v1::TaskState>(state));
        }
      }
      break;
    }
  }
  out->set_dry_run(spec.dry_run);
  out->set_tasks_per_second(spec.tasks_per_second);
  out->set_reason(spec.reason);
}

template <typename Response>
void AskForJob(UnaryCall& call, uint64_t id) {
  call.Ask<Response>([id](const broker::View& view) -> absl::StatusOr<Response> {
    const auto job = view.engine.FindJob(id);
    if (!job.has_value()) return engine::refusal::NoSuchJob(id);
    Response response;
    Write(*job, response.mutable_job());
    return response;
  });
}

// A command that is answered by JobChanged; the job is shown as it then is.
template <typename Response, typename Command>
absl::Status ChangeJob(UnaryCall& call, Command command) {
  return Change<engine::JobChanged>(call, broker::Lane::kClients, std::move(command),
                                    [](UnaryCall& self, const engine::JobChanged& changed) {
                                      AskForJob<Response>(self, changed.job);
                                    });
}

absl::Status StartJob(Edge&, UnaryCall& call, v1::StartJobRequest& request) {
  absl::StatusOr<engine::JobSpec> spec = ReadSpec(request.spec());
  if (!spec.ok()) return spec.status();
  return ChangeJob<v1::StartJobResponse>(call, engine::StartJob{.spec = *std::move(spec)});
}

absl::Status GetJob(Edge&, UnaryCall& call, v1::GetJobRequest& request) {
  const absl::StatusOr<uint64_t> id = ReadJobId(request.job_id());
  if (id.ok()) AskForJob<v1::GetJobResponse>(call, *id);
  return id.status();
}

absl::Status ListJobs(Edge&, UnaryCall& call, v1::ListJobsRequest& request) {
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  const bool running_only = request.running_only();
  const std::string question = running_only ? "running jobs" : "jobs";
  const absl::StatusOr<uint64_t> before =
      DecodePageNumber(question, request.page_token(), /*first=*/UINT64_MAX);
  if (!before.ok()) return before.status();
  const auto limit = static_cast<size_t>(OrDefault(request.page_size(), limits::kTasksPageSize));
  call.Ask<v1::ListJobsResponse>(
      [before = *before, limit, running_only,
       question](const broker::View& view) -> absl::StatusOr<v1::ListJobsResponse> {
        v1::ListJobsResponse response;
        const auto jobs = view.engine.ListJobs(before, limit, running_only);
        for (const engine::JobView& job : jobs) Write(job, response.add_jobs());
        if (jobs.size() == limit) {
          response.set_next_page_token(EncodePageToken(question, absl::StrCat(jobs.back().row.id)));
        }
        return response;
      });
  return absl::OkStatus();
}

absl::Status CancelJob(Edge&, UnaryCall& call, v1::CancelJobRequest& request) {
  const absl::StatusOr<uint64_t> id = ReadJobId(request.job_id());
  if (!id.ok()) return id.status();
  return ChangeJob<v1::CancelJobResponse>(call, engine::CancelJob{.job = *id});
}

}  // namespace

void Write(const engine::JobView& view, v1::Job* out) {
  const engine::JobRow& row = view.row;
  out->set_job_id(NumberText(row.id));
  ShowSpec(row.spec, out->mutable_spec());
  out->set_state(static_cast<v1::JobState>(row.state));
  out->set_started_at_ms(row.started_at_ms);
  out->set_ended_at_ms(row.ended_at_ms);
  out->set_looked_at(row.looked_at);
  out->set_done(row.done);
  out->set_refused(row.refused);
  for (const engine::JobRefusal& refusal : row.refusals) {
    v1::JobRefusal& one = *out->add_refusals();
    one.set_task_id(refusal.task.ToString());
    one.mutable_status()->set_code(refusal.code);
    one.mutable_status()->set_message(refusal.message);
  }
  out->set_total(row.total);
  out->set_waits_for(view.waits_for);
}

void ServeJobs(Methods& methods) {
  Service jobs(methods, "treadle.v1.JobService");
  jobs.Unary("StartJob", StartJob);
  jobs.Unary("GetJob", GetJob);
  jobs.Unary("ListJobs", ListJobs);
  jobs.Unary("CancelJob", CancelJob);
}

}  // namespace treadle::rpc
