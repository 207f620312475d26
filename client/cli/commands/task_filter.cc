#include "client/cli/commands/task_filter.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "client/cli/console/human.h"
#include "client/cli/console/json.h"
#include "client/cli/filter_words.h"
#include "client/cli/flags.h"
#include "client/cli/task_view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

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

std::vector<v1::TaskState> CancellableStates(bool waiting_only) {
  std::vector<v1::TaskState> states = {v1::TASK_STATE_SCHEDULED, v1::TASK_STATE_QUEUED};
  if (!waiting_only) states.push_back(v1::TASK_STATE_RUNNING);
  return states;
}

// Those of them that flags name; empty: all that are not final.
absl::StatusOr<std::vector<v1::TaskState>> StatesToCancel(const TaskFilter& filter,
                                                          bool waiting_only) {
  const std::vector<v1::TaskState> states = CancellableStates(waiting_only);
  std::vector<v1::TaskState> named;
  if (filter.states.empty() && waiting_only) named = states;
  for (const std::string& word : filter.states) {
    const auto is_named = [&word](v1::TaskState state) {
      return absl::EqualsIgnoreCase(word, StateName(state));
    };
    const auto found = std::find_if(states.begin(), states.end(), is_named);
    if (found == states.end()) {
      return absl::InvalidArgumentError(fmt::format(
          "--state: {}: name {}", Printable(word),
          waiting_only ? "scheduled or queued: purge leaves what runs or has ended"
                       : "scheduled, queued or running: what has ended cannot be cancelled"));
    }
    named.push_back(*found);
  }
  return named;
}

// What the queue, the type and the states do not say.
absl::StatusOr<std::string> RestOf(TaskFilter filter) {
  filter.queue.clear();
  filter.type.clear();
  filter.states.clear();
  const absl::StatusOr<search::Filter> rest = filter.Read();
  if (!rest.ok()) return rest.status();
  return rest->ToString();
}

ExitCode ListThose(Context& context, Client& client, const v1::TaskSelection& tasks) {
  v1::ListTasksRequest request;
  request.set_queue(tasks.queue());
  request.set_type(tasks.type());
  *request.mutable_states() = tasks.states();
  if (tasks.states().empty()) {
    for (const v1::TaskState state : CancellableStates(/*waiting_only=*/false))
      request.add_states(state);
  }
  request.set_filter(tasks.filter());
  request.set_page_size(limits::kPageSizeMax);
  Listing<v1::Task> listing(context, kTaskView);
  ExitCode printed = ExitCode::kOk;
  const absl::Status status =
      ForEachPage(client, request, [&](const std::vector<v1::Task>& page, int64_t) {
        for (const v1::Task& task : page) {
          if (printed == ExitCode::kOk) printed = listing.Add(task);
        }
        return printed == ExitCode::kOk;
      });
  if (!status.ok()) return context.FailCall(status);
  if (printed == ExitCode::kOk) printed = listing.Finish();
  if (context.table()) {
    context.terminal.Complain(HumanCount(static_cast<int64_t>(listing.count()), "task") +
                              " would be cancelled");
  }
  return printed;
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

ExitCode CancelFiltered(Context& context, const TaskFilter& filter, const BulkFlags& flags,
                        bool waiting_only) {
  const absl::StatusOr<std::vector<v1::TaskState>> states = StatesToCancel(filter, waiting_only);
  if (!states.ok()) return context.Fail(states.status());
  const absl::StatusOr<std::string> rest = RestOf(filter);
  if (!rest.ok()) return context.Fail(rest.status());
  v1::JobSpec spec;
  v1::TaskSelection& tasks = *spec.mutable_cancel_tasks()->mutable_tasks();
  tasks.set_queue(filter.queue);
  tasks.set_type(filter.type);
  tasks.mutable_states()->Assign(states->begin(), states->end());
  tasks.set_filter(*rest);
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  if (flags.dry_run) return ListThose(context, **client, tasks);
  if (!flags.yes) {
    const absl::StatusOr<std::optional<int64_t>> count = CountMatches(context, **client, spec);
    if (!count.ok()) return context.FailCall(count.status());
    if (!count->has_value()) return ExitCode::kInterrupted;
    if (**count > 0) {
      const std::string what = "cancel " + HumanCount(**count, "task");
      if (const ExitCode no = Confirm(context, flags, what); no != ExitCode::kOk) return no;
    }
  }
  return RunJob(context, **client, flags, spec);
}

}  // namespace treadle::cli
