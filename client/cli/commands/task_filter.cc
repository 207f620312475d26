#include "client/cli/commands/task_filter.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/console/human.h"
#include "client/cli/flags.h"
#include "client/cli/task_view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

// Cancels under way at once: each waits for the broker's disk.
constexpr int kCancelThreads = 16;

bool Takes(const TaskFilter& filter, int64_t now_ms, const v1::Task& task) {
  return (filter.worker.empty() || task.worker() == filter.worker) &&
         (filter.error_type.empty() || task.last_error().type() == filter.error_type) &&
         now_ms - task.submitted_at_ms() >= filter.older_than_ms;
}

struct Cancelled {
  int64_t cancelled = 0;
  int64_t told_to_stop = 0;
  int64_t ended_before = 0;
  absl::Status error;  // the first
};

// All tasks of one page.
void CancelAll(Context& context, Client& client, const std::vector<v1::Task>& tasks,
               const std::string& reason, Cancelled& sum) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  const auto run = [&] {
    for (size_t i = next++; i < tasks.size() && !context.interrupt.fired(); i = next++) {
      const absl::StatusOr<v1::Task> task = client.CancelTask(tasks[i].task_id(), reason);
      std::lock_guard lock(mutex);
      if (absl::IsNotFound(task.status())) {
        sum.ended_before++;
      } else if (!task.ok()) {
        sum.error.Update(task.status());
        return;
      } else if (task->cancel_requested()) {
        sum.told_to_stop++;
      } else if (task->state() == v1::TASK_STATE_CANCELLED) {
        sum.cancelled++;
      } else {
        sum.ended_before++;
      }
    }
  };
  std::vector<std::thread> threads(kCancelThreads - 1);
  // A system that has no threads left gets a slower command.
  for (std::thread& thread : threads) (void)internal::StartThread("cancels", thread, run);
  run();
  for (std::thread& thread : threads) {
    if (thread.joinable()) thread.join();
  }
}

ExitCode PrintCancelled(const Context& context, const Cancelled& sum) {
  if (context.table()) {
    std::string text = HumanCount(sum.cancelled, "task") + " cancelled";
    if (sum.told_to_stop > 0) text += fmt::format(", {} told to stop", sum.told_to_stop);
    if (sum.ended_before > 0) text += fmt::format(", {} had ended before", sum.ended_before);
    return context.Print(text + "\n");
  }
  return PrintObject(context, {{"cancelled_tasks", sum.cancelled},
                               {"told_to_stop_tasks", sum.told_to_stop},
                               {"ended_before_tasks", sum.ended_before}});
}

}  // namespace

void AddFilterFlags(CLI::App& command, TaskFilter& filter, bool queue, const std::string& states) {
  if (queue) program::AddText(command, "-q,--queue", filter.queue, "NAME", "Only this queue's.");
  program::AddText(command, "--type", filter.type, "NAME", "Only those of this type.");
  program::AddList(command, "--state", filter.states, "STATE",
                   "Only those in this state: " + states + ". May be given many times.");
  program::AddText(command, "--worker", filter.worker, "NAME", "Only those that this worker runs.");
  program::AddText(command, "--error", filter.error_type, "ERROR-TYPE",
                   "Only those whose latest failed attempt had an error of this type.");
  AddBound(command, "--older-than", filter.older_than_ms, limits::kAheadMsMax,
           "Only those that were submitted longer ago.");
}

absl::StatusOr<v1::ListTasksRequest> ToRequest(const TaskFilter& filter) {
  v1::ListTasksRequest request;
  request.set_queue(filter.queue);
  request.set_type(filter.type);
  request.set_page_size(limits::kPageSizeMax);
  for (const std::string& name : filter.states) {
    v1::TaskState state;
    if (!v1::TaskState_Parse("TASK_STATE_" + absl::AsciiStrToUpper(name), &state) || state == 0) {
      return absl::InvalidArgumentError(
          fmt::format("--state: '{}' is not one of scheduled, queued, running, succeeded, failed, "
                      "cancelled, expired",
                      Printable(name)));
    }
    request.add_states(state);
    if (state >= v1::TASK_STATE_SUCCEEDED) request.set_include_finished(true);
  }
  return request;
}

absl::Status ForEachPage(Client& client, v1::ListTasksRequest request, const TaskFilter& filter,
                         int64_t now_ms,
                         absl::FunctionRef<bool(std::vector<v1::Task> tasks)> on_page) {
  do {
    absl::StatusOr<v1::ListTasksResponse> page = client.ListTasks(request);
    if (!page.ok()) return page.status();
    std::vector<v1::Task> tasks;
    for (v1::Task& task : *page->mutable_tasks()) {
      if (Takes(filter, now_ms, task)) tasks.push_back(std::move(task));
    }
    request.set_page_token(page->next_page_token());
    if (!on_page(std::move(tasks))) break;
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

void AddBulkFlags(CLI::App& command, BulkFlags& flags) {
  AddFlag(command, "--dry-run", flags.dry_run, "List what would be cancelled, and cancel nothing.");
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

ExitCode CancelFiltered(Context& context, const TaskFilter& filter, const BulkFlags& flags,
                        bool waiting_only, const std::string& reason) {
  absl::StatusOr<v1::ListTasksRequest> request = ToRequest(filter);
  if (!request.ok()) return context.Fail(request.status());
  if (absl::Status s = CheckObjectOutput(context, "this counts tasks"); !flags.dry_run && !s.ok())
    return context.Fail(s);
  for (const int state : request->states()) {
    const bool takes =
        waiting_only ? state < v1::TASK_STATE_RUNNING : state < v1::TASK_STATE_SUCCEEDED;
    if (takes) continue;
    return context.Fail(absl::InvalidArgumentError(fmt::format(
        "--state: {}: name {}",
        waiting_only ? "purge leaves what runs or has ended" : "what has ended cannot be cancelled",
        waiting_only ? "scheduled or queued" : "scheduled, queued or running")));
  }
  if (waiting_only && request->states().empty()) {
    request->add_states(v1::TASK_STATE_SCHEDULED);
    request->add_states(v1::TASK_STATE_QUEUED);
  }
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<v1::ServerInfo> server = (*client)->GetServerInfo();
  if (!server.ok()) return context.FailCall(server.status());
  const int64_t now_ms = server->now_ms();

  Listing<v1::Task> listing(context, kTaskView);
  int64_t count = 0;
  ExitCode printed = ExitCode::kOk;
  absl::Status status =
      ForEachPage(**client, *request, filter, now_ms, [&](const std::vector<v1::Task>& tasks) {
        count += std::ssize(tasks);
        for (const v1::Task& task : tasks) {
          if (flags.dry_run && printed == ExitCode::kOk) printed = listing.Add(task);
        }
        return printed == ExitCode::kOk;
      });
  if (!status.ok()) return context.FailCall(status);
  if (flags.dry_run) {
    if (printed == ExitCode::kOk) printed = listing.Finish();
    if (context.table())
      context.terminal.Complain(HumanCount(count, "task") + " would be cancelled");
    return printed;
  }
  Cancelled sum;
  if (count == 0) return PrintCancelled(context, sum);
  if (const ExitCode no = Confirm(context, flags, "cancel " + HumanCount(count, "task"));
      no != ExitCode::kOk) {
    return no;
  }
  Interrupt::Scope on_interrupt(context.interrupt, [] {});
  status = ForEachPage(**client, *request, filter, now_ms, [&](const std::vector<v1::Task>& tasks) {
    CancelAll(context, **client, tasks, reason, sum);
    return sum.error.ok() && !context.interrupt.fired();
  });
  status.Update(sum.error);
  printed = PrintCancelled(context, sum);
  if (!status.ok()) return context.FailCall(status);
  if (context.interrupt.fired()) {
    context.terminal.Complain("interrupted: the rest was left alone");
    return ExitCode::kInterrupted;
  }
  return printed;
}

}  // namespace treadle::cli
