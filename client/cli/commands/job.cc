#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/job_view.h"
#include "client/cli/view.h"
#include "client/cli/watch.h"
#include <CLI/CLI.hpp>

#include "proto/program/flags.h"
#include "proto/support/limits.h"

// Jobs of the broker, which other commands begin, with filters: treadle dead redrive and delete,
// treadle task cancel, treadle queue purge.

namespace treadle::cli {
namespace {

struct JobFlags : WatchFlags {
  std::vector<std::string> ids;
  std::string id;
  bool running = false;
  int64_t limit = 100;
};

ExitCode ListJobs(const Context& context, Client& client, const JobFlags& flags) {
  v1::ListJobsRequest request;
  request.set_running_only(flags.running);
  return PrintPages(
      context, kJobView, request, flags.limit, flags.running ? "no job is running" : "no jobs",
      [&client](const auto& page) { return client.ListJobs(page); },
      [](const v1::ListJobsResponse& page) -> const auto& { return page.jobs(); });
}

}  // namespace

void AddJobCommands(CLI::App& root, Command& chosen) {
  CLI::App& group =
      AddSubcommand(root, "job", "Shows and cancels what the broker does to many tasks.",
                    "treadle dead redrive, dead delete, task cancel and queue purge with filters\n"
                    "begin jobs, which go on whatever becomes of the command, and after a restart\n"
                    "of the broker.\n");
  group.require_subcommand(1);
  auto flags = std::make_shared<JobFlags>();
  const auto choose = [&chosen, flags](auto run) {
    return [&chosen, flags, run] {
      chosen = [flags, run](Context& context) { return run(context, *flags); };
    };
  };
  CLI::App& list = AddSubcommand(group, "list", "Lists jobs, the newest first.",
                                 "Examples:\n"
                                 "  treadle job list --running --watch\n"
                                 "  treadle job list -o jsonl | jq -r .job_id\n");
  AddFlag(list, "--running", flags->running, "Only those that run.");
  program::AddCount(list, "--limit", flags->limit, 1,
                    limits::kJobsKeptMax + limits::kJobsRunningMax, "How many at most.");
  AddWatchFlags(list, *flags);
  list.callback(choose([](Context& context, const JobFlags& jobs) {
    return Look(context, jobs, [&](Client& client) { return ListJobs(context, client, jobs); });
  }));
  CLI::App& show = AddSubcommand(group, "show", "Shows how far a job is.",
                                 "Example:\n  treadle job show 1x7k2v\n");
  show.add_option("ID", flags->ids, "The job's id; several are fine.")->required();
  AddWatchFlags(show, *flags);
  show.callback(choose([](Context& context, const JobFlags& jobs) {
    return Look(context, jobs, [&](Client& client) {
      return PrintEach(context, jobs.ids, kJobView,
                       [&client](const std::string& id) { return client.GetJob(id); });
    });
  }));
  CLI::App& wait = AddSubcommand(group, "wait", "Waits until a job has ended.",
                                 "It fails if the job could not do its work to some task.\n"
                                 "\n"
                                 "Example:\n"
                                 "  treadle job wait 1x7k2v\n");
  program::AddText(wait, "ID", flags->id, "", "The job's id.")->required();
  wait.callback(choose([](Context& context, const JobFlags& jobs) {
    auto client = context.Connect();
    if (!client.ok()) return context.FailCall(client.status());
    const absl::StatusOr<v1::Job> job = (*client)->GetJob(jobs.id);
    if (!job.ok()) return context.FailCall(job.status());
    return FollowJob(context, **client, *job);
  }));
  CLI::App& cancel = AddSubcommand(group, "cancel", "Ends a job where it is.",
                                   "What it has done stays done.\n"
                                   "\n"
                                   "Example:\n"
                                   "  treadle job cancel 1x7k2v\n");
  cancel.add_option("ID", flags->ids, "The job's id; several are fine.")->required();
  cancel.callback(choose([](Context& context, const JobFlags& jobs) {
    auto client = context.Connect();
    if (!client.ok()) return context.FailCall(client.status());
    return PrintEach(context, jobs.ids, kJobView,
                     [&](const std::string& id) { return (*client)->CancelJob(id); });
  }));
}

}  // namespace treadle::cli
