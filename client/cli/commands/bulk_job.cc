#include "client/cli/commands/bulk_job.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::cli {

void AddBulkFlags(CLI::App& command, BulkFlags& flags, const std::string& done,
                  const std::string& reason) {
  program::AddCount(command, "--rate", flags.rate, 0, limits::kJobTasksPerSecondMax,
                    "No more in a second. 0: as fast as it goes.");
  program::AddText(command, "--reason", flags.reason, "TEXT", reason);
  AddFlag(command, "-d,--detach", flags.detach, "Do not wait: print the job that does it.");
  AddFlag(command, "--dry-run", flags.dry_run,
          fmt::format("List what would be {}, and do nothing.", done));
  AddFlag(command, "-y,--yes", flags.yes, "Do not ask.");
}

ExitCode Confirm(Context& context, const BulkFlags& flags, const std::string& what) {
  if (flags.yes) return ExitCode::kOk;
  if (!context.terminal.can_ask()) {
    context.terminal.Complain(
        fmt::format("this would {}: say --yes, as there is no terminal to ask on", what));
    return ExitCode::kUsage;
  }
  context.terminal.err << absl::StrCat(absl::AsciiStrToUpper(what.substr(0, 1)), what.substr(1),
                                       "? [y/N] ")
                       << std::flush;
  std::string answer;
  std::getline(context.terminal.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return ExitCode::kOk;
  context.terminal.Complain("nothing was done");
  return ExitCode::kUsage;
}

absl::StatusOr<std::optional<int64_t>> CountMatches(Context& context, Client& client,
                                                    v1::JobSpec spec) {
  spec.set_dry_run(true);
  spec.clear_tasks_per_second();
  const absl::StatusOr<v1::Job> job = client.StartJob(spec);
  if (!job.ok()) return job.status();
  const absl::StatusOr<v1::Job> ended = AwaitJob(context, client, *job);
  if (!ended.ok()) return ended.status();
  if (ended->state() != v1::JOB_STATE_RUNNING) return ended->done();
  context.terminal.Complain("interrupted: nothing was done");
  const absl::StatusOr<v1::Job> cancelled = client.CancelJob(job->job_id());
  if (!cancelled.ok()) return cancelled.status();
  return std::nullopt;
}

ExitCode RunJob(Context& context, Client& client, const BulkFlags& flags, v1::JobSpec spec) {
  spec.set_tasks_per_second(static_cast<int32_t>(flags.rate));
  spec.set_reason(flags.reason);
  const absl::StatusOr<v1::Job> job = client.StartJob(spec);
  if (!job.ok()) return context.FailCall(job.status());
  return flags.detach ? PrintOne(context, kJobView, *job) : FollowJob(context, client, *job);
}

}  // namespace treadle::cli
