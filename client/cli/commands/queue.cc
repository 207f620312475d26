#include <cstdint>
#include <memory>
#include <string>

#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

struct QueueFlags {
  std::string name;
  std::string discipline = "fifo";
  int64_t max_tasks = 0;
  int64_t max_bytes = 0;
  CLI::Option* max_tasks_option = nullptr;
  CLI::Option* max_bytes_option = nullptr;
};

v1::Discipline ParseDiscipline(const std::string& text) {
  if (text == "lifo") return v1::DISCIPLINE_LIFO;
  return text == "priority" ? v1::DISCIPLINE_PRIORITY : v1::DISCIPLINE_FIFO;
}

std::string StateName(const v1::Queue& queue) {
  if (queue.closed()) return queue.paused() ? "closed, paused" : "closed";
  return queue.paused() ? "paused" : "open";
}

std::string Describe(const v1::Queue& queue) {
  const v1::QueueStats& stats = queue.stats();
  Sheet sheet;
  sheet.Add("name", queue.config().name());
  sheet.Add("discipline", DisciplineName(queue.config().discipline()));
  sheet.Add("state", StateName(queue));
  sheet.Add("created", HumanTime(queue.created_at_ms()));
  sheet.Add("waiting", fmt::format("{} of {} tasks, {} of {}", stats.queued() + stats.scheduled(),
                                   queue.config().max_tasks(), HumanBytes(stats.waiting_bytes()),
                                   HumanBytes(queue.config().max_bytes())));
  sheet.Add("  queued", std::to_string(stats.queued()));
  sheet.Add("  scheduled", std::to_string(stats.scheduled()));
  if (stats.oldest_age_ms() > 0) sheet.Add("  oldest", HumanDuration(stats.oldest_age_ms()));
  sheet.Add("running", std::to_string(stats.running()));
  if (stats.waiting_submitters() > 0) {
    sheet.Add("submitters", fmt::format("{} wait for room", stats.waiting_submitters()));
  }
  sheet.Add("submitted", fmt::format("{} ({})", stats.submitted_total(),
                                     HumanRate(stats.submitted_per_second())));
  sheet.Add("succeeded", fmt::format("{} (all ends: {})", stats.succeeded_total(),
                                     HumanRate(stats.finished_per_second())));
  sheet.Add("failed", std::to_string(stats.failed_total()));
  sheet.Add("cancelled", std::to_string(stats.cancelled_total()));
  sheet.Add("expired", std::to_string(stats.expired_total()));
  sheet.Add("retried", std::to_string(stats.retried_total()));
  return sheet.Render();
}

ExitCode PrintQueue(const Context& context, const absl::StatusOr<v1::Queue>& queue) {
  if (!queue.ok()) return context.FailCall(queue.status());
  return context.json() ? context.Print(ToJson(*queue)) : context.Print(Describe(*queue));
}

ExitCode ListQueues(Context& context) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  absl::StatusOr<std::vector<v1::Queue>> queues = (*client)->ListQueues();
  if (!queues.ok()) return context.FailCall(queues.status());
  if (context.json()) {
    std::string lines;
    for (const v1::Queue& queue : *queues) lines += Line(ToJson(queue));
    return context.Print(lines);
  }
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"NAME"},
               {"DISCIPLINE"},
               {"STATE"},
               {"QUEUED", kRight},
               {"SCHEDULED", kRight},
               {"RUNNING", kRight},
               {"OLDEST", kRight},
               {"IN", kRight},
               {"OUT", kRight},
               {"FAILED", kRight}});
  for (const v1::Queue& queue : *queues) {
    const v1::QueueStats& stats = queue.stats();
    table.Add({queue.config().name(), DisciplineName(queue.config().discipline()), StateName(queue),
               std::to_string(stats.queued()), std::to_string(stats.scheduled()),
               std::to_string(stats.running()),
               stats.oldest_age_ms() > 0 ? HumanDuration(stats.oldest_age_ms()) : "-",
               HumanRate(stats.submitted_per_second()), HumanRate(stats.finished_per_second()),
               std::to_string(stats.failed_total())});
  }
  if (table.empty()) {
    context.terminal.Complain(
        "no queues yet: the first submit makes one, or treadle queue create NAME");
    return ExitCode::kOk;
  }
  return context.Print(table);
}

ExitCode CreateQueue(Context& context, const QueueFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  v1::QueueConfig config;
  config.set_name(flags.name);
  config.set_discipline(ParseDiscipline(flags.discipline));
  config.set_max_tasks(flags.max_tasks);
  config.set_max_bytes(flags.max_bytes);
  return PrintQueue(context, (*client)->CreateQueue(config));
}

ExitCode UpdateQueue(Context& context, const QueueFlags& flags) {
  v1::UpdateQueueRequest request;
  request.set_name(flags.name);
  if (flags.max_tasks_option->count() > 0) request.set_max_tasks(flags.max_tasks);
  if (flags.max_bytes_option->count() > 0) request.set_max_bytes(flags.max_bytes);
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  return PrintQueue(context, (*client)->UpdateQueue(request));
}

ExitCode SetClosed(Context& context, const std::string& name, bool closed) {
  v1::UpdateQueueRequest request;
  request.set_name(name);
  request.set_closed(closed);
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  return PrintQueue(context, (*client)->UpdateQueue(request));
}

ExitCode PurgeQueue(Context& context, const std::string& name) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  absl::StatusOr<int64_t> cancelled = (*client)->PurgeQueue(name);
  if (!cancelled.ok()) return context.FailCall(cancelled.status());
  if (context.json()) return context.Print(Json{{"name", name}, {"cancelled_tasks", *cancelled}});
  return context.Print(fmt::format("{} tasks cancelled\n", *cancelled));
}

ExitCode DeleteQueue(Context& context, const std::string& name) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  absl::Status status = (*client)->DeleteQueue(name);
  return status.ok() ? ExitCode::kOk : context.FailCall(status);
}

using QueueCall = absl::StatusOr<v1::Queue> (Client::*)(std::string_view);

void AddBounds(CLI::App& command, QueueFlags& flags) {
  flags.max_tasks_option =
      program::AddCount(command, "--max-tasks", flags.max_tasks, 0, limits::kQueueTasksMax,
                        "How many tasks may wait. 0: the broker's default.");
  flags.max_bytes_option =
      program::AddSize(command, "--max-bytes", flags.max_bytes, 0, limits::kQueueBytesMax,
                       "How many payload bytes may wait. 0: the broker's default.");
}

CLI::App& AddNamed(CLI::App& group, QueueFlags& flags, const std::string& name,
                   const std::string& description, const std::string& examples) {
  CLI::App& command = AddSubcommand(group, name, description, examples);
  program::AddText(command, "NAME", flags.name, "", "The queue's name.")->required();
  return command;
}

}  // namespace

void AddQueueCommands(CLI::App& root, Command& chosen) {
  CLI::App& group = AddSubcommand(root, "queue", "Makes, shows and manages queues.", "");
  group.require_subcommand(1);
  auto flags = std::make_shared<QueueFlags>();
  auto updates = std::make_shared<QueueFlags>();
  auto choose = [&chosen](const std::shared_ptr<QueueFlags>& queue, auto run) {
    return [&chosen, queue, run] {
      chosen = [queue, run](Context& context) { return run(context, *queue); };
    };
  };
  auto call = [](QueueCall method) {
    return [method](Context& context, const QueueFlags& queue) {
      auto client = context.Connect();
      if (!client.ok()) return context.FailCall(client.status());
      return PrintQueue(context, ((**client).*method)(queue.name));
    };
  };

  CLI::App& create =
      AddNamed(group, *flags, "create", "Makes a queue.",
               "Examples:\n"
               "  treadle queue create mail\n"
               "  treadle queue create urgent --discipline priority --max-tasks 10000\n");
  program::AddChoice(create, "--discipline", flags->discipline, {"fifo", "lifo", "priority"},
                     "In which order tasks start; stays as it is chosen here.");
  AddBounds(create, *flags);
  create.callback(choose(flags, CreateQueue));

  AddSubcommand(
      group, "list", "Lists all queues.",
      "Examples:\n"
      "  treadle queue list\n"
      "  treadle queue list --output json | jq -r 'select(.stats.queued > 1000) | .config.name'\n")
      .callback([&chosen] { chosen = ListQueues; });
  AddNamed(group, *flags, "show", "Shows a queue's settings and counters.",
           "Example:\n  treadle queue show mail\n")
      .callback(choose(flags, call(&Client::GetQueue)));
  CLI::App& update =
      AddNamed(group, *updates, "update", "Changes a queue's bounds. What waits already, stays.",
               "Example:\n  treadle queue update mail --max-tasks 2000000\n");
  AddBounds(update, *updates);
  update.callback(choose(updates, UpdateQueue));
  AddNamed(group, *flags, "pause", "Keeps a queue's tasks from starting; submits go on.",
           "Example:\n  treadle queue pause mail\n")
      .callback(choose(flags, call(&Client::PauseQueue)));
  AddNamed(group, *flags, "resume", "Lets a paused queue's tasks start again.",
           "Example:\n  treadle queue resume mail\n")
      .callback(choose(flags, call(&Client::ResumeQueue)));
  AddNamed(group, *flags, "close", "Refuses new tasks; those that are in the queue run.",
           "Example:\n  treadle queue close mail\n")
      .callback(choose(flags, [](Context& context, const QueueFlags& queue) {
        return SetClosed(context, queue.name, true);
      }));
  AddNamed(group, *flags, "reopen", "Lets a closed queue take tasks again.",
           "Example:\n  treadle queue reopen mail\n")
      .callback(choose(flags, [](Context& context, const QueueFlags& queue) {
        return SetClosed(context, queue.name, false);
      }));
  AddNamed(group, *flags, "purge", "Cancels all tasks of a queue that are not running.",
           "Example:\n  treadle queue purge mail\n")
      .callback(choose(flags, [](Context& context, const QueueFlags& queue) {
        return PurgeQueue(context, queue.name);
      }));
  AddNamed(group, *flags, "delete", "Deletes a queue that has no unfinished tasks.",
           "Example:\n  treadle queue purge mail && treadle queue delete mail\n")
      .callback(choose(flags, [](Context& context, const QueueFlags& queue) {
        return DeleteQueue(context, queue.name);
      }));
}

}  // namespace treadle::cli
