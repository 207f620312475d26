#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/commands/bulk_job.h"
#include "client/cli/commands/task_filter.h"
#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/explain_view.h"
#include "client/cli/filter_words.h"
#include "client/cli/flags.h"
#include "client/cli/outcome.h"
#include "client/cli/task_view.h"
#include "client/cli/watch.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

struct ShowFlags : WatchFlags {
  std::vector<std::string> ids;
};

struct CancelFlags : BulkFlags {
  std::vector<std::string> ids;
  TaskFilter filter;
};

struct ListFlags : WatchFlags {
  TaskFilter filter;
  bool all = false;
  int64_t limit = 100;
};

// "3f-1 is told to stop".
std::string DescribeCancel(const v1::Task& task, const Context&) {
  const std::string state = StateName(task.state());
  if (task.cancel_requested()) return task.task_id() + " is told to stop\n";
  if (task.state() == v1::TASK_STATE_CANCELLED) return task.task_id() + " is cancelled\n";
  return fmt::format("{} had ended before: {}\n", task.task_id(), state);
}

ExitCode Cancel(Context& context, const CancelFlags& flags) {
  const bool bulk = !flags.filter.empty();
  if (bulk != flags.ids.empty()) {
    return context.Fail(absl::InvalidArgumentError(
        bulk ? "ids and filters exclude each other: give one of the two"
             : "nothing to cancel: give ids, or a filter: --filter, --queue, --type, ..."));
  }
  if (bulk) return CancelFiltered(context, flags.filter, flags, /*waiting_only=*/false);
  if (flags.dry_run || flags.detach || flags.rate > 0) {
    return context.Fail(absl::InvalidArgumentError(
        "--dry-run, --rate and --detach are for filters: ids are cancelled at once"));
  }
  View<v1::Task> view = kTaskView;
  view.sheet = DescribeCancel;
  return Look(context, WatchFlags(), [&](Client& client) {
    return PrintEach(context, flags.ids, view,
                     [&](const std::string& id) { return client.CancelTask(id, flags.reason); });
  });
}

// What a list does not say by itself: below it.
std::string NoteOf(const ListFlags& flags, bool unfinished_only, size_t shown, bool more,
                   int64_t searched) {
  const std::string among = flags.filter.words.empty() || searched == 0
                                ? ""
                                : fmt::format(" among {}", HumanCount(searched, "task"));
  if (shown == 0 && unfinished_only) {
    return fmt::format("no such unfinished tasks{}; --all shows finished ones, too", among);
  }
  if (shown == 0) return "no such tasks" + among;
  if (more) return FirstOnes(shown) + (among.empty() ? "" : "; they were" + among);
  if (among.empty()) return "";
  return fmt::format("{} searched{}",
                     HumanCount(searched, unfinished_only ? "unfinished task" : "task"),
                     unfinished_only ? "; --all searches finished ones, too" : "");
}

ExitCode List(const Context& context, Client& client, v1::ListTasksRequest request,
              const ListFlags& flags, bool unfinished_only) {
  Listing<v1::Task> listing(context, kTaskView);
  int64_t left = flags.limit;
  int64_t searched = 0;
  bool more = false;
  ExitCode printed = ExitCode::kOk;
  // One more than is shown, to know whether there is more.
  request.set_page_size(static_cast<int32_t>(std::min<int64_t>(limits::kPageSizeMax, left + 1)));
  const absl::Status status = ForEachPage(
      client, std::move(request), [&](const std::vector<v1::Task>& tasks, int64_t looked_at) {
        searched += looked_at;
        for (const v1::Task& task : tasks) {
          more = left-- == 0;
          if (more) return false;
          printed = listing.Add(task);
          if (printed != ExitCode::kOk) return false;
        }
        return true;
      });
  if (!status.ok()) return context.FailCall(status);
  if (printed == ExitCode::kOk) printed = listing.Finish();
  if (!context.table() || printed != ExitCode::kOk) return printed;
  const std::string note = NoteOf(flags, unfinished_only, listing.count(), more, searched);
  return note.empty() ? printed : PrintNote(context, note);
}

ExitCode ListTasks(Context& context, const ListFlags& flags) {
  const absl::StatusOr<search::Filter> filter = flags.filter.Read();
  if (!filter.ok()) return context.Fail(filter.status());
  v1::ListTasksRequest request;
  request.set_filter(filter->ToString());
  request.set_include_finished(flags.all);
  const bool unfinished_only = !flags.all && !filter->names_states();
  return Look(context, flags, [&](Client& client) {
    return List(context, client, request, flags, unfinished_only);
  });
}

void AddShow(CLI::App& group, Command& chosen) {
  auto flags = std::make_shared<ShowFlags>();
  CLI::App& show =
      AddSubcommand(group, "show", "Shows all about a task but its payload and its result.",
                    "Examples:\n"
                    "  treadle task show cnsef1k6a7-1k9\n"
                    "  treadle task show cnsef1k6a7-1k9 -o json | jq .attempts\n");
  show.add_option("ID", flags->ids, "The task's id; several are fine.")->required();
  AddWatchFlags(show, *flags);
  show.callback([&chosen, flags] {
    chosen = [flags](Context& context) {
      return Look(context, *flags, [&](Client& client) {
        return PrintEach(context, flags->ids, kTaskView,
                         [&](const std::string& id) { return client.GetTask(id); });
      });
    };
  });
}

void AddExplain(CLI::App& group, Command& chosen) {
  auto flags = std::make_shared<ShowFlags>();
  CLI::App& explain =
      AddSubcommand(group, "explain", "Says why a task does not run, and what to do about it.",
                    "The first reason must end before the task can run; the others hold, too.\n"
                    "treadle submit --dry-run says the same of a task that is not submitted yet.\n"
                    "\n"
                    "Examples:\n"
                    "  treadle task explain cnsef1k6a7-1k9\n"
                    "  treadle task explain --watch cnsef1k6a7-1k9\n"
                    "  treadle task explain cnsef1k6a7-1k9 -o json | jq -r '.reasons[0].reason'\n");
  explain.add_option("ID", flags->ids, "The task's id; several are fine.")->required();
  AddWatchFlags(explain, *flags);
  explain.callback([&chosen, flags] {
    chosen = [flags](Context& context) {
      return Look(context, *flags, [&](Client& client) {
        return PrintEach(context, flags->ids, kExplanationView,
                         [&](const std::string& id) { return client.ExplainTask(id); });
      });
    };
  });
}

ExitCode FetchPayload(Context& context, const std::string& id) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<v1::GetPayloadResponse> payload = (*client)->GetPayload(id);
  if (!payload.ok()) return context.FailCall(payload.status());
  if (context.table()) return PrintBytes(context, payload->payload());
  View<v1::GetPayloadResponse> view;
  view.name = [&id](const v1::GetPayloadResponse&) { return id; };
  return PrintOne(context, view, *payload);
}

void AddPayload(CLI::App& group, Command& chosen) {
  auto id = std::make_shared<std::string>();
  CLI::App& payload = AddSubcommand(
      group, "payload", "Writes what a task that has not ended was submitted with, byte for byte.",
      "Payloads are kept until their task ends. With -o json also its content type and headers.\n"
      "\n"
      "Examples:\n"
      "  treadle task payload cnsef1k6a7-1k9 | jq .\n"
      "  treadle task payload cnsef1k6a7-1k9 | treadle submit --type T --payload -\n");
  program::AddText(payload, "ID", *id, "", "The task's id.")->required();
  payload.callback(
      [&chosen, id] { chosen = [id](Context& context) { return FetchPayload(context, *id); }; });
}

void AddCancel(CLI::App& group, Command& chosen) {
  auto flags = std::make_shared<CancelFlags>();
  CLI::App& cancel = AddSubcommand(
      group, "cancel",
      "Cancels tasks. One that runs is told to stop, and ends when its handler does.",
      "By ids, or by filters, which take what fits them all. These ask first (without\n"
      "a terminal they want --yes), and begin a job of the broker, which goes on\n"
      "whatever becomes of this command. What comes meanwhile is left alone.\n"
      "\n"
      "Examples:\n"
      "  treadle task cancel cnsef1k6a7-1k9 cnsef1k6a7-1ka\n"
      "  treadle task cancel --queue mail --state queued --older-than 2h --dry-run\n"
      "  treadle task cancel --filter 'header.tenant:acme -worker:w7' --dry-run\n"
      "  treadle task cancel --type resize --reason 'wrong size' --yes\n");
  cancel.add_option("ID", flags->ids, "The task's id; several are fine.");
  AddFilterOption(cancel, flags->filter);
  AddFilterFlags(cancel, flags->filter, /*queue=*/true, "scheduled, queued or running");
  AddBulkFlags(cancel, *flags, "cancelled",
               "Why, for whoever looks at the tasks: stands in their error.");
  cancel.callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return Cancel(context, *flags); }; });
}

void AddList(CLI::App& group, Command& chosen) {
  auto flags = std::make_shared<ListFlags>();
  CLI::App& list = AddSubcommand(
      group, "list", "Lists tasks, or those that a filter takes; the first submitted at the top.",
      "Finished tasks are shown with --all, or with one of the words state, id, finished and dead "
      "in the filter. RUNNING! is one that was told to stop and has not ended yet; treadle task "
      "show says why.\n"
      "\n" +
          FilterHelp() +
          "\n"
          "Examples:\n"
          "  treadle task list queue:mail state:failed 'error~\"timed out\"' sort:-age\n"
          "  treadle task list 'attempts>=3 age>5m' header.tenant:acme -worker:w7\n"
          "  treadle task list --queue mail --watch\n"
          "  treadle task list --state failed -o wide\n"
          "  treadle task list -q mail -o name | head -n 3 | xargs treadle task cancel\n"
          "  treadle task list --all -o jsonl | jq -r 'select(.attempts > 1) | .task_id'\n"
          "  treadle task list --all --limit 100000 -o csv > tasks.csv\n");
  list.add_option("FILTER", flags->filter.words, "Words of a filter; several are fine.");
  AddFilterFlags(list, flags->filter, /*queue=*/true,
                 "scheduled, queued, running, succeeded, failed, cancelled or expired");
  AddFlag(list, "--all", flags->all, "Finished ones, too, while they are kept.");
  program::AddCount(list, "--limit", flags->limit, 1, 1'000'000, "Show no more than these.");
  AddWatchFlags(list, *flags);
  list.callback([&chosen, flags] {
    chosen = [flags](Context& context) { return ListTasks(context, *flags); };
  });
}

}  // namespace

void AddTaskCommands(CLI::App& root, Command& chosen) {
  CLI::App& group = AddSubcommand(
      root, "task", "Submits tasks, waits for them, looks at them, cancels them.", "");
  group.require_subcommand(1);
  AddSubmitCommand(group, chosen);
  AddResultCommand(group, chosen);
  AddWaitCommands(group, chosen);
  AddFollowCommand(group, chosen);
  AddList(group, chosen);
  AddShow(group, chosen);
  AddExplain(group, chosen);
  AddPayload(group, chosen);
  AddCancel(group, chosen);
}

}  // namespace treadle::cli
