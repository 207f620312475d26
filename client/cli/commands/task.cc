#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/outcome.h"
#include <fmt/format.h>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

struct TaskFlags {
  std::vector<std::string> ids;
};

struct ListFlags {
  std::string queue;
  std::string type;
  std::vector<std::string> states;
  bool all = false;
  int64_t limit = 100;
};

// Ages are told by this machine's clock; a broker's that is ahead of it gives "0ms".
std::string AgeOf(int64_t unix_ms) {
  const int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
  return HumanDuration(std::max<int64_t>(0, now_ms - unix_ms));
}

std::string TimeAndAge(int64_t unix_ms) {
  return unix_ms == 0 ? "" : fmt::format("{} ({} ago)", HumanTime(unix_ms), AgeOf(unix_ms));
}

std::string Describe(const v1::Task& task) {
  Sheet sheet;
  sheet.Add("id", task.task_id());
  sheet.Add("queue", task.queue());
  sheet.Add("type", task.type());
  sheet.Add("state", StateWords(task));
  if (task.priority() != 0) sheet.Add("priority", std::to_string(task.priority()));
  sheet.Add("attempts", fmt::format("{} of {}", task.attempts(), task.max_attempts()));
  sheet.Add("payload", HumanBytes(static_cast<int64_t>(task.payload_bytes())));
  sheet.Add("submitted", TimeAndAge(task.submitted_at_ms()));
  if (task.run_at_ms() != 0) sheet.Add("due", HumanTime(task.run_at_ms()));
  if (task.deadline_at_ms() != 0) sheet.Add("deadline", HumanTime(task.deadline_at_ms()));
  sheet.Add("finished", TimeAndAge(task.finished_at_ms()));
  if (task.expires_at_ms() != 0) sheet.Add("result kept until", HumanTime(task.expires_at_ms()));
  sheet.Add("worker", task.worker());
  if (task.has_progress()) {
    sheet.Add("progress", (task.progress().fraction() < 0
                               ? std::string()
                               : fmt::format("{:.0f}% ", task.progress().fraction() * 100)) +
                              task.progress().message());
  }
  sheet.Add("request key", task.request_key());
  if (task.has_last_error()) {
    const v1::TaskError& error = task.last_error();
    sheet.Add("last error", fmt::format("{}: {}", error.type(), error.message()));
    if (error.attempt() != 0) sheet.Add("  in attempt", std::to_string(error.attempt()));
    sheet.Add("  on worker", error.worker());
  }
  return sheet.Render();
}

using TaskCall = absl::StatusOr<v1::Task> (Client::*)(std::string_view);

// One call for each id. All are tried; the first error decides the exit code.
ExitCode ForEach(Context& context, const std::vector<std::string>& ids, TaskCall call,
                 std::string (*format)(const v1::Task&)) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  ExitCode first = ExitCode::kOk;
  for (const std::string& id : ids) {
    absl::StatusOr<v1::Task> task = ((**client).*call)(id);
    const ExitCode code = !task.ok()       ? context.FailCall(task.status())
                          : context.json() ? context.Print(ToJson(*task))
                                           : context.Print(format(*task));
    if (first == ExitCode::kOk) first = code;
  }
  return first;
}

std::string DescribeCancel(const v1::Task& task) {
  const std::string state = StateName(task.state());
  if (task.cancel_requested()) return task.task_id() + " is told to stop\n";
  if (task.state() == v1::TASK_STATE_CANCELLED) return task.task_id() + " is cancelled\n";
  return fmt::format("{} had ended before: {}\n", task.task_id(), state);
}

ExitCode PrintTasks(const Context& context, const std::vector<v1::Task>& tasks) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"ID"},
               {"QUEUE"},
               {"TYPE"},
               {"STATE"},
               {"AGE", kRight},
               {"PRIORITY", kRight},
               {"ATTEMPTS", kRight},
               {"PAYLOAD", kRight},
               {"WORKER"},
               {"ERROR"}});
  for (const v1::Task& task : tasks) {
    table.Add(
        {task.task_id(), task.queue(), task.type(),
         StateName(task.state()) + (task.stop_reason() == v1::STOP_REASON_UNSPECIFIED ? "" : "!"),
         AgeOf(task.submitted_at_ms()), std::to_string(task.priority()),
         fmt::format("{}/{}", task.attempts(), task.max_attempts()),
         HumanBytes(static_cast<int64_t>(task.payload_bytes())), task.worker(),
         task.has_last_error()
             ? fmt::format("{}: {}", task.last_error().type(), task.last_error().message())
             : ""});
  }
  return context.Print(table);
}

absl::Status FillRequest(const ListFlags& flags, v1::ListTasksRequest& request) {
  request.set_queue(flags.queue);
  request.set_type(flags.type);
  request.set_include_finished(flags.all);
  for (const std::string& name : flags.states) {
    std::string upper = name;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    v1::TaskState state;
    if (!v1::TaskState_Parse("TASK_STATE_" + upper, &state) || state == 0) {
      return absl::InvalidArgumentError(
          fmt::format("--state: '{}' is not one of scheduled, queued, running, succeeded, failed, "
                      "cancelled, expired",
                      Printable(name)));
    }
    request.add_states(state);
    if (state >= v1::TASK_STATE_SUCCEEDED) request.set_include_finished(true);
  }
  return absl::OkStatus();
}

ExitCode ListTasks(Context& context, const ListFlags& flags) {
  v1::ListTasksRequest request;
  if (absl::Status status = FillRequest(flags, request); !status.ok()) return context.Fail(status);
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  std::vector<v1::Task> tasks;
  do {
    request.set_page_size(
        static_cast<int32_t>(std::min<int64_t>(1'000, flags.limit - std::ssize(tasks))));
    absl::StatusOr<v1::ListTasksResponse> page = (*client)->ListTasks(request);
    if (!page.ok()) return context.FailCall(page.status());
    tasks.insert(tasks.end(), page->tasks().begin(), page->tasks().end());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() && std::ssize(tasks) < flags.limit);

  if (context.json()) {
    std::string lines;
    for (const v1::Task& task : tasks) lines += Line(ToJson(task));
    return context.Print(lines);
  }
  if (tasks.empty()) {
    context.terminal.Complain(request.include_finished()
                                  ? "no such tasks"
                                  : "no such unfinished tasks; --all shows finished ones, too");
    return ExitCode::kOk;
  }
  const ExitCode printed = PrintTasks(context, tasks);
  if (!request.page_token().empty()) {
    context.terminal.Complain(
        fmt::format("these are the first {}; --limit shows more", tasks.size()));
  }
  return printed;
}

}  // namespace

void AddTaskCommands(CLI::App& root, Command& chosen) {
  CLI::App& group = AddSubcommand(root, "task", "Looks at tasks, and cancels them.", "");
  group.require_subcommand(1);

  auto flags = std::make_shared<TaskFlags>();
  CLI::App& show =
      AddSubcommand(group, "show", "Shows all about a task but its payload and its result.",
                    "Examples:\n"
                    "  treadle task show cnsef1k6a7-1k9\n"
                    "  treadle task show cnsef1k6a7-1k9 --output json | jq .attempts\n");
  show.add_option("ID", flags->ids, "The task's id; several are fine.")->required();
  show.callback([&chosen, flags] {
    chosen = [flags](Context& context) {
      return ForEach(context, flags->ids, &Client::GetTask, Describe);
    };
  });

  auto cancel_flags = std::make_shared<TaskFlags>();
  CLI::App& cancel =
      AddSubcommand(group, "cancel",
                    "Cancels tasks. One that runs is told to stop, and ends when its handler does.",
                    "Examples:\n"
                    "  treadle task cancel cnsef1k6a7-1k9 cnsef1k6a7-1ka\n"
                    "  treadle task list --queue mail --output json | jq -r .task_id |\n"
                    "    xargs treadle task cancel\n");
  cancel.add_option("ID", cancel_flags->ids, "The task's id; several are fine.")->required();
  cancel.callback([&chosen, cancel_flags] {
    chosen = [cancel_flags](Context& context) {
      return ForEach(context, cancel_flags->ids, &Client::CancelTask, DescribeCancel);
    };
  });

  auto list_flags = std::make_shared<ListFlags>();
  CLI::App& list = AddSubcommand(group, "list", "Lists tasks, those submitted first at the top.",
                                 "Examples:\n"
                                 "  treadle task list --queue mail\n"
                                 "  treadle task list --state failed\n"
                                 "  treadle task list --all --limit 1000 --output json\n");
  program::AddText(list, "-q,--queue", list_flags->queue, "NAME", "Only this queue's.");
  program::AddText(list, "--type", list_flags->type, "NAME", "Only those of this type.");
  program::AddList(list, "--state", list_flags->states, "STATE",
                   "Only those in this state: scheduled, queued, running, succeeded, failed, "
                   "cancelled or expired. May be given many times.");
  AddFlag(list, "--all", list_flags->all, "Finished ones, too, while they are kept.");
  program::AddCount(list, "--limit", list_flags->limit, 1, 1'000'000, "Show no more than these.");
  list.callback([&chosen, list_flags] {
    chosen = [list_flags](Context& context) { return ListTasks(context, *list_flags); };
  });
}

}  // namespace treadle::cli
