#include "client/cli/job_view.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "client/cli/console/human.h"
#include "client/cli/console/json.h"
#include "client/cli/console/status_line.h"
#include <fmt/format.h>

#include "proto/wire/status.h"

namespace treadle::cli {
namespace {

// How long until a job is looked at again: at first soon, as most jobs take no longer.
constexpr std::chrono::milliseconds kLookSoon{10};
constexpr std::chrono::milliseconds kLookEvery{250};

// Filters may be long: the sheet has all of it.
constexpr int kShownOfFilter = 60;

std::string OfFilter(const std::string& filter) {
  if (filter.empty()) return "";
  return " that match " + CutToWidth(Printable(filter), kShownOfFilter);
}

std::string Of(const v1::DeadLetterSelection& letters) {
  std::string text = fmt::format("dead letters of queue {}", Printable(letters.queue()));
  if (!letters.type().empty()) text += fmt::format(", type {}", Printable(letters.type()));
  if (!letters.group().empty()) text += fmt::format(", group {}", letters.group());
  return text + OfFilter(letters.filter());
}

std::string Of(const v1::TaskSelection& tasks) {
  std::string text = tasks.queue().empty()
                         ? std::string("unfinished tasks")
                         : fmt::format("tasks of queue {}", Printable(tasks.queue()));
  if (!tasks.type().empty()) text += fmt::format(", type {}", Printable(tasks.type()));
  for (const int state : tasks.states()) {
    text += fmt::format("{}{}", state == tasks.states(0) ? ", " : " or ",
                        absl::AsciiStrToLower(StateName(static_cast<v1::TaskState>(state))));
  }
  return text + OfFilter(tasks.filter());
}

const std::string& FilterOf(const v1::JobSpec& spec) {
  if (spec.has_cancel_tasks()) return spec.cancel_tasks().tasks().filter();
  return spec.has_delete_dead_letters() ? spec.delete_dead_letters().letters().filter()
                                        : spec.redrive_dead_letters().letters().filter();
}

std::string What(const v1::JobSpec& spec) {
  std::string text;
  if (spec.has_redrive_dead_letters()) {
    text = "redrive " + Of(spec.redrive_dead_letters().letters());
    const std::string& into = spec.redrive_dead_letters().queue();
    if (!into.empty()) text += fmt::format(", into {}", Printable(into));
  } else if (spec.has_delete_dead_letters()) {
    text = "delete " + Of(spec.delete_dead_letters().letters());
  } else {
    text = "cancel " + Of(spec.cancel_tasks().tasks());
  }
  return spec.dry_run() ? text + " (dry run)" : text;
}

std::string JobStateName(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_RUNNING:
      return "running";
    case v1::JOB_STATE_DONE:
      return "done";
    default:
      return "cancelled";
  }
}

// "redriven", "deleted" or "cancelled": what a job has done to its tasks.
std::string JobDone(const v1::JobSpec& spec) {
  const std::string would = spec.dry_run() ? "would be " : "";
  if (spec.has_redrive_dead_letters()) return would + "redriven";
  return would + (spec.has_delete_dead_letters() ? "deleted" : "cancelled");
}

// "running, 1,200 of about 5,000 looked at", "done", "cancelled".
std::string JobProgress(const v1::Job& job) {
  if (job.state() != v1::JOB_STATE_RUNNING) return JobStateName(job.state());
  return fmt::format("running, {} of about {} looked at", HumanNumber(job.looked_at()),
                     HumanNumber(job.total()));
}

std::string JobSheet(const v1::Job& job, const Context& context) {
  Sheet sheet;
  sheet.Add("job", job.job_id());
  sheet.Add("what", What(job.spec()));
  if (!FilterOf(job.spec()).empty()) sheet.Add("filter", Printable(FilterOf(job.spec())));
  if (!job.spec().reason().empty()) sheet.Add("reason", Printable(job.spec().reason()));
  if (job.spec().tasks_per_second() > 0) {
    sheet.Add("pace", fmt::format("{} tasks a second", job.spec().tasks_per_second()));
  }
  sheet.Add("state", JobProgress(job));
  if (!job.waits_for().empty()) sheet.Add("  waits", Printable(job.waits_for()));
  sheet.Add("started", HumanTimeAndAge(job.started_at_ms()));
  if (job.ended_at_ms() != 0) {
    sheet.Add("ended", fmt::format("{}, after {}", HumanTime(job.ended_at_ms()),
                                   HumanDuration(job.ended_at_ms() - job.started_at_ms())));
  }
  sheet.Add(JobDone(job.spec()), HumanCount(job.done(), "task"));
  if (job.refused() > 0) sheet.Add("refused", HumanCount(job.refused(), "task"));
  for (const v1::JobRefusal& refusal : job.refusals()) {
    sheet.Add("  " + refusal.task_id(), Printable(refusal.status().message()));
  }
  return context.Render(sheet);
}

// In one line, of a job that has ended.
std::string Result(const v1::Job& job) {
  std::string line = fmt::format("{} {}", HumanCount(job.done(), "task"), JobDone(job.spec()));
  if (job.refused() > 0) line += fmt::format(", {} refused", job.refused());
  if (job.state() == v1::JOB_STATE_CANCELLED) line += "; the job was cancelled";
  return line;
}

}  // namespace

const View<v1::Job> kJobView = {
    {{{"ID"}, [](const v1::Job& job) { return job.job_id(); }},
     {{"STATE"},
      [](const v1::Job& job) {
        return job.waits_for().empty() ? JobStateName(job.state()) : std::string("waits");
      }},
     {{"STARTED", kRight},
      [](const v1::Job& job) { return HumanAge(job.started_at_ms()) + " ago"; }},
     {{"LOOKED AT", kRight}, [](const v1::Job& job) { return HumanNumber(job.looked_at()); }},
     {{"OF", kRight}, [](const v1::Job& job) { return HumanNumber(job.total()); }},
     {{"DONE", kRight}, [](const v1::Job& job) { return HumanNumber(job.done()); }},
     {{"REFUSED", kRight}, [](const v1::Job& job) { return HumanNumber(job.refused()); }},
     {{"WHAT"}, [](const v1::Job& job) { return What(job.spec()); }},
     {{"REASON"}, [](const v1::Job& job) { return Printable(job.spec().reason()); }, true}},
    [](const v1::Job& job) { return job.job_id(); },
    JobSheet};

absl::StatusOr<v1::Job> AwaitJob(Context& context, Client& client, const v1::Job& job) {
  Interrupt::Scope on_interrupt(context.interrupt, [] {});
  std::mutex mutex;
  v1::Job now = job;  // GUARDED_BY(mutex), for `line`
  std::optional<StatusLine> line;
  if (context.table()) {
    line.emplace(context.terminal, [&mutex, &now](int columns) {
      const std::lock_guard lock(mutex);
      return CutToWidth(
          now.waits_for().empty() ? JobProgress(now) : "waits: " + Printable(now.waits_for()),
          columns);
    });
  }
  std::chrono::milliseconds wait = kLookSoon;
  while (now.state() == v1::JOB_STATE_RUNNING && !context.interrupt.WaitFor(wait)) {
    wait = std::min(wait * 2, kLookEvery);
    absl::StatusOr<v1::Job> found = client.GetJob(job.job_id());
    if (!found.ok()) return found.status();
    const std::lock_guard lock(mutex);
    now = *std::move(found);
  }
  line.reset();
  return now;
}

ExitCode FollowJob(Context& context, Client& client, const v1::Job& job) {
  const absl::StatusOr<v1::Job> ended = AwaitJob(context, client, job);
  if (!ended.ok()) return context.FailCall(ended.status());
  if (ended->state() == v1::JOB_STATE_RUNNING) {
    context.terminal.Complain(fmt::format(
        "the job goes on: treadle job show {0}, or treadle job cancel {0}", job.job_id()));
    return ExitCode::kInterrupted;
  }
  const ExitCode printed =
      context.table() ? context.Print(Result(*ended) + "\n") : PrintOne(context, kJobView, *ended);
  if (printed != ExitCode::kOk || ended->refused() == 0) return printed;
  return context.FailCall(wire::FromItem(ended->refusals(0).status()));
}

}  // namespace treadle::cli
