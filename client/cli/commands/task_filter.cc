#include "client/cli/commands/task_filter.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/console/human.h"
#include "client/cli/filter_words.h"
#include "client/cli/flags.h"
#include "client/cli/task_view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proto/program/flags.h"
#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

// Cancels under way at once: each waits for the broker's disk.
constexpr int kCancelThreads = 16;

// Puts `field:value` behind the filter's words.
void Require(search::Field field, std::vector<search::Value> values, search::Filter& filter,
             search::Operator op = search::Operator::kEquals) {
  search::Condition condition{.field = field, .op = op};
  condition.values = std::move(values);
  filter.conditions.push_back(std::move(condition));
}

void RequireText(search::Field field, const std::string& text, search::Filter& filter) {
  if (!text.empty()) Require(field, {{.text = text}}, filter);
}

v1::ListTasksRequest RequestOf(const search::Filter& filter) {
  v1::ListTasksRequest request;
  request.set_filter(filter.ToString());
  request.set_page_size(limits::kPageSizeMax);
  return request;
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

void AddFilterOption(CLI::App& command, TaskFilter& filter) {
  program::AddList(command, "--filter", filter.words, "FILTER",
                   "Only those that a filter takes, as 'age>2h error~timeout': its words are those "
                   "of treadle task list, whose --help has them all.");
}

absl::StatusOr<search::Filter> TaskFilter::Read() const {
  absl::StatusOr<search::Filter> filter = ParseFilter(words);
  if (!filter.ok()) return filter;
  RequireText(search::Field::kQueue, queue, *filter);
  RequireText(search::Field::kType, type, *filter);
  RequireText(search::Field::kWorker, worker, *filter);
  RequireText(search::Field::kErrorType, error_type, *filter);
  if (older_than_ms > 0) {
    Require(search::Field::kAge, {{.number = older_than_ms}}, *filter, search::Operator::kAtLeast);
  }
  if (states.empty()) return filter;
  std::vector<search::Value> wanted;
  const std::vector<std::string_view> known = search::ChoicesOf(search::Field::kState);
  for (const std::string& name : states) {
    const std::string state = absl::AsciiStrToLower(name);
    if (std::find(known.begin(), known.end(), state) == known.end()) {
      return absl::InvalidArgumentError(
          fmt::format("--state: '{}' is not one of {}", Printable(name), fmt::join(known, ", ")));
    }
    for (const std::string_view one : search::Meaning(search::Field::kState, state)) {
      wanted.push_back({.text = std::string(one)});
    }
  }
  Require(search::Field::kState, std::move(wanted), *filter);
  return filter;
}

absl::Status ForEachPage(
    Client& client, v1::ListTasksRequest request,
    absl::FunctionRef<bool(std::vector<v1::Task> tasks, int64_t searched)> on_page) {
  absl::flat_hash_set<std::string> unfinished;
  do {
    absl::StatusOr<v1::ListTasksResponse> page = client.ListTasks(request);
    if (!page.ok()) return page.status();
    std::vector<v1::Task> tasks;
    for (v1::Task& task : *page->mutable_tasks()) {
      const bool is_new = task.state() < v1::TASK_STATE_SUCCEEDED
                              ? unfinished.insert(task.task_id()).second
                              : !unfinished.contains(task.task_id());
      if (is_new) tasks.push_back(std::move(task));
    }
    request.set_page_token(page->next_page_token());
    if (!on_page(std::move(tasks), page->searched())) break;
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
  absl::StatusOr<search::Filter> wanted = filter.Read();
  if (!wanted.ok()) return context.Fail(wanted.status());
  if (absl::Status s = CheckObjectOutput(context, "this counts tasks"); !flags.dry_run && !s.ok())
    return context.Fail(s);
  for (const std::string& state : filter.states) {
    const bool runs = absl::EqualsIgnoreCase(state, "running");
    const std::vector<std::string_view> waiting = {"scheduled", "queued"};
    const bool waits =
        std::find(waiting.begin(), waiting.end(), absl::AsciiStrToLower(state)) != waiting.end();
    if (waits || (runs && !waiting_only)) continue;
    return context.Fail(absl::InvalidArgumentError(fmt::format(
        "--state: {}: name {}",
        waiting_only ? "purge leaves what runs or has ended" : "what has ended cannot be cancelled",
        waiting_only ? "scheduled or queued" : "scheduled, queued or running")));
  }
  std::vector<search::Value> states = {{.text = "scheduled"}, {.text = "queued"}};
  if (!waiting_only) states.push_back({.text = "running"});
  Require(search::Field::kState, std::move(states), *wanted);
  const v1::ListTasksRequest request = RequestOf(*wanted);
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());

  Listing<v1::Task> listing(context, kTaskView);
  int64_t count = 0;
  ExitCode printed = ExitCode::kOk;
  absl::Status status =
      ForEachPage(**client, request, [&](const std::vector<v1::Task>& tasks, int64_t) {
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
  status = ForEachPage(**client, request, [&](const std::vector<v1::Task>& tasks, int64_t) {
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
