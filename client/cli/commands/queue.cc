#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "client/cli/commands/bulk_job.h"
#include "client/cli/commands/task_filter.h"
#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/queue_view.h"
#include "client/cli/view.h"
#include "client/cli/watch.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

struct QueueFlags : WatchFlags, BulkFlags {
  std::string name;
  std::string discipline = "fifo";
  int64_t max_tasks = 0;
  int64_t max_bytes = 0;
  TaskFilter filter;
  CLI::Option* max_tasks_option = nullptr;
  CLI::Option* max_bytes_option = nullptr;
  // Of what fails.
  int64_t dead_letters = limits::kDeadLetters;
  int64_t dead_letter_bytes = limits::kDeadLetterBytes;
  int64_t dead_letter_ttl_ms = limits::kDeadLetterTtlMs;
  CLI::Option* dead_letters_option = nullptr;
  CLI::Option* dead_letter_bytes_option = nullptr;
  CLI::Option* dead_letter_ttl_option = nullptr;
  int64_t breaker_percent = 0;
  int64_t breaker_attempts = limits::kBreakerAttempts;
  int64_t breaker_window_ms = limits::kBreakerWindowMs;
  int64_t breaker_resume_ms = 0;
  CLI::Option* breaker_option = nullptr;
  int64_t fail_unserved_after_ms = 0;
  CLI::Option* fail_unserved_option = nullptr;
  int64_t for_ms = 0;  // of a pause

  bool has_breaker() const { return breaker_option->count() > 0; }
  void WriteTo(v1::CircuitBreaker& breaker) const {
    breaker.set_failure_percent(static_cast<int32_t>(breaker_percent));
    breaker.set_min_attempts(static_cast<int32_t>(breaker_attempts));
    breaker.set_window_ms(breaker_window_ms);
    breaker.set_resume_after_ms(breaker_resume_ms);
  }

  void WriteTo(v1::DeadLetterPolicy& policy) const {
    if (dead_letters_option->count() > 0) policy.set_max_tasks(dead_letters);
    if (dead_letter_bytes_option->count() > 0) policy.set_max_bytes(dead_letter_bytes);
    if (dead_letter_ttl_option->count() > 0) policy.set_ttl_ms(dead_letter_ttl_ms);
  }
};

v1::Discipline ParseDiscipline(const std::string& text) {
  if (text == "lifo") return v1::DISCIPLINE_LIFO;
  return text == "priority" ? v1::DISCIPLINE_PRIORITY : v1::DISCIPLINE_FIFO;
}

ExitCode PrintQueue(const Context& context, const absl::StatusOr<v1::Queue>& queue) {
  if (!queue.ok()) return context.FailCall(queue.status());
  return PrintOne(context, kQueueView, *queue);
}

ExitCode ListQueues(Context& context, Client& client) {
  const absl::StatusOr<std::vector<v1::Queue>> queues = client.ListQueues();
  if (!queues.ok()) return context.FailCall(queues.status());
  if (queues->empty() && context.table() && context.frame == nullptr) {
    context.terminal.Complain(
        "no queues yet: the first submit makes one, or treadle queue create NAME");
  }
  Listing<v1::Queue> listing(context, kQueueView);
  for (const v1::Queue& queue : *queues) {
    if (const ExitCode code = listing.Add(queue); code != ExitCode::kOk) return code;
  }
  return listing.Finish();
}

ExitCode CreateQueue(Context& context, const QueueFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  v1::QueueConfig config;
  config.set_name(flags.name);
  config.set_discipline(ParseDiscipline(flags.discipline));
  config.set_max_tasks(flags.max_tasks);
  config.set_max_bytes(flags.max_bytes);
  flags.WriteTo(*config.mutable_dead_letters());
  if (flags.has_breaker()) flags.WriteTo(*config.mutable_circuit_breaker());
  config.set_fail_unserved_after_ms(flags.fail_unserved_after_ms);
  return PrintQueue(context, (*client)->CreateQueue(config));
}

ExitCode UpdateQueue(Context& context, const QueueFlags& flags) {
  v1::UpdateQueueRequest request;
  request.set_name(flags.name);
  if (flags.max_tasks_option->count() > 0) request.set_max_tasks(flags.max_tasks);
  if (flags.max_bytes_option->count() > 0) request.set_max_bytes(flags.max_bytes);
  flags.WriteTo(*request.mutable_dead_letters());
  if (flags.has_breaker()) flags.WriteTo(*request.mutable_circuit_breaker());
  if (flags.fail_unserved_option->count() > 0) {
    request.set_fail_unserved_after_ms(flags.fail_unserved_after_ms);
  }
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

// All of it at once; or as a job, what filters take of it, or all of it at its ease.
ExitCode PurgeQueue(Context& context, const QueueFlags& flags) {
  const bool as_job = flags.detach || flags.rate > 0 || !flags.reason.empty();
  if (!flags.filter.empty() || flags.dry_run || as_job) {
    TaskFilter filter = flags.filter;
    filter.queue = flags.name;
    return CancelFiltered(context, filter, flags, /*waiting_only=*/true);
  }
  if (absl::Status s = CheckObjectOutput(context, "this counts tasks"); !s.ok())
    return context.Fail(s);
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<v1::Queue> queue = (*client)->GetQueue(flags.name);
  if (!queue.ok()) return context.FailCall(queue.status());
  const int64_t waiting = queue->stats().queued() + queue->stats().scheduled();
  if (waiting > 0) {
    const ExitCode no = Confirm(context, flags,
                                fmt::format("cancel the {} of queue '{}'",
                                            HumanCount(waiting, "waiting task"), flags.name));
    if (no != ExitCode::kOk) return no;
  }
  const absl::StatusOr<int64_t> cancelled = (*client)->PurgeQueue(flags.name);
  if (!cancelled.ok()) return context.FailCall(cancelled.status());
  if (context.table()) return context.Print(HumanCount(*cancelled, "task") + " cancelled\n");
  return PrintObject(context, {{"name", flags.name}, {"cancelled_tasks", *cancelled}});
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
  flags.dead_letters_option =
      program::AddCount(command, "--dead-letters", flags.dead_letters, 0, limits::kDeadLettersMax,
                        "How many tasks that failed are kept, to be looked at. 0: none.");
  flags.dead_letter_bytes_option = program::AddSize(
      command, "--dead-letter-bytes", flags.dead_letter_bytes, 1, limits::kQueueBytesMax,
      "What these may take together; the oldest give way.");
  flags.dead_letter_ttl_option =
      program::AddDuration(command, "--dead-letter-ttl", flags.dead_letter_ttl_ms, 1,
                           limits::kAheadMsMax, "For how long each of them is kept.");
  flags.breaker_option =
      program::AddCount(command, "--breaker", flags.breaker_percent, 0, 100,
                        "Pause the queue when so many percent of attempts fail. 0: never.");
  program::AddCount(command, "--breaker-attempts", flags.breaker_attempts, 1,
                    limits::kBreakerAttemptsMax, "... of at least so many.")
      ->needs(flags.breaker_option);
  program::AddDuration(command, "--breaker-window", flags.breaker_window_ms,
                       limits::kBreakerWindowMsMin, limits::kBreakerWindowMsMax,
                       "... within so long.")
      ->needs(flags.breaker_option);
  AddBound(command, "--breaker-resume", flags.breaker_resume_ms, limits::kAheadMsMax,
           "... and resume it after so long. 0: somebody must.")
      ->needs(flags.breaker_option);
  flags.fail_unserved_option =
      AddBound(command, "--fail-unserved-after", flags.fail_unserved_after_ms, limits::kAheadMsMax,
               "Fail what no worker could run for so long, 1s or more. 0: never.");
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

  auto shown = std::make_shared<QueueFlags>();
  CLI::App& list =
      AddSubcommand(group, "list", "Lists all queues.",
                    "Examples:\n"
                    "  treadle queue list --watch\n"
                    "  treadle queue list -o jsonl | jq -r 'select(.paused) | .config.name'\n");
  AddWatchFlags(list, *shown);
  list.callback(choose(shown, [](Context& context, const QueueFlags& queue) {
    return Look(context, queue, [&](Client& client) { return ListQueues(context, client); });
  }));
  CLI::App& show = AddNamed(group, *shown, "show", "Shows a queue's settings and counters.",
                            "Examples:\n"
                            "  treadle queue show mail\n"
                            "  treadle queue show mail -o json | jq .stats.oldest_age_ms\n");
  AddWatchFlags(show, *shown);
  show.callback(choose(shown, [](Context& context, const QueueFlags& queue) {
    return Look(context, queue,
                [&](Client& client) { return PrintQueue(context, client.GetQueue(queue.name)); });
  }));
  CLI::App& update =
      AddNamed(group, *updates, "update", "Changes a queue's bounds. What waits already, stays.",
               "Examples:\n"
               "  treadle queue update mail --max-tasks 2000000\n"
               "  treadle queue update mail --breaker 50 --breaker-resume 5m\n"
               "  treadle queue update mail --fail-unserved-after 10m\n");
  AddBounds(update, *updates);
  update.callback(choose(updates, UpdateQueue));
  CLI::App& pause =
      AddNamed(group, *flags, "pause", "Keeps a queue's tasks from starting; submits go on.",
               "Examples:\n"
               "  treadle queue pause mail\n"
               "  treadle queue pause mail --for 10m --reason 'the mail server is down'\n");
  AddBound(pause, "--for", flags->for_ms, limits::kAheadMsMax,
           "It resumes by itself after so long. 0: somebody must resume it.");
  program::AddText(pause, "--reason", flags->reason, "TEXT", "Why: treadle task explain shows it.");
  pause.callback(choose(flags, [](Context& context, const QueueFlags& queue) {
    auto client = context.Connect();
    if (!client.ok()) return context.FailCall(client.status());
    return PrintQueue(context, (*client)->PauseQueue(queue.name, queue.reason,
                                                     std::chrono::milliseconds(queue.for_ms)));
  }));
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
  auto purged = std::make_shared<QueueFlags>();
  CLI::App& purge =
      AddNamed(group, *purged, "purge", "Cancels the tasks of a queue that are not running.",
               "All of them, or those that filters take. It asks first; without a terminal it\n"
               "wants --yes. With filters, --rate, --reason or --detach it begins a job of the\n"
               "broker, which goes on whatever becomes of this command.\n"
               "\n"
               "Examples:\n"
               "  treadle queue purge mail\n"
               "  treadle queue purge mail --type newsletter --dry-run\n"
               "  treadle queue purge mail --older-than 1d --yes\n");
  AddFilterOption(purge, purged->filter);
  AddFilterFlags(purge, purged->filter, /*queue=*/false, "scheduled or queued");
  AddBulkFlags(purge, *purged, "cancelled",
               "Why, for whoever looks at the tasks: stands in their error.");
  purge.callback(choose(purged, PurgeQueue));
  AddNamed(group, *flags, "delete", "Deletes a queue that has no unfinished tasks.",
           "Example:\n  treadle queue purge mail --yes && treadle queue delete mail\n")
      .callback(choose(flags, [](Context& context, const QueueFlags& queue) {
        return DeleteQueue(context, queue.name);
      }));
}

}  // namespace treadle::cli
