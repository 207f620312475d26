#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "client/cli/console/disk_hint.h"
#include "client/cli/console/human.h"
#include "client/cli/console/worker_hint.h"
#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/outcome.h"
#include "client/cli/output_view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"
#include "treadle/output.h"

namespace treadle::cli {
namespace {

struct FollowFlags {
  std::string task_id;
  int64_t from_offset = 0;
  int64_t timeout_ms = 0;
  bool timestamps = false;
  bool no_wait = false;
};

// What a command says while it waits, on threads of their own.
class Hints {
 public:
  Hints(const Context& context, Client& client, const std::string& task_id, std::mutex& writes)
      : worker_(
            context, client,
            [task_id] {
              v1::Task task;
              task.set_task_id(task_id);
              return task;
            },
            Say(context, writes)),
        disk_(client, Say(context, writes)) {}

 private:
  static std::function<void(const std::string&)> Say(const Context& context, std::mutex& writes) {
    return [&](const std::string& text) {
      std::lock_guard lock(writes);
      context.terminal.Complain(text);
    };
  }

  const WorkerHint worker_;
  const DiskHint disk_;
};

// To its end, or until it cannot be written.
ExitCode PrintOutput(const Context& context, Client& client, const FollowFlags& flags,
                     TaskOutput& output) {
  std::mutex writes;
  OutputPrinter printer(context, flags.timestamps, static_cast<uint64_t>(flags.from_offset));
  Interrupt::Scope on_interrupt(context.interrupt, [&output] { output.Stop(); });
  std::optional<Hints> hints;
  if (!flags.no_wait) hints.emplace(context, client, flags.task_id, writes);
  for (OutputEntry& entry : output) {
    std::lock_guard lock(writes);
    const ExitCode printed = printer.Add(std::move(entry));
    if (printed != ExitCode::kOk) return printed;
  }
  return printer.Finish();
}

// How a task ended whose output was read, and when.
ExitCode TellEnd(const Context& context, Client& client, const std::string& task_id) {
  v1::Task task;
  const absl::StatusOr<v1::Outcome> outcome = client.WatchTask(
      task_id,
      [&](const v1::Task& now) {
        task = now;
        return true;
      },
      client.options().call_timeout);
  if (!outcome.ok()) return context.FailCall(outcome.status());
  const std::string after = fmt::format(
      "{} after its submit", HumanDuration(task.finished_at_ms() - task.submitted_at_ms()));
  if (outcome->has_error()) {
    context.terminal.Complain(Describe(ErrorOf(*outcome)) + "\n  " + after);
  } else if (context.table()) {
    context.terminal.Complain(fmt::format("task {} {} after {}, {}", task_id,
                                          StateName(outcome->state()),
                                          HumanCount(outcome->attempts(), "attempt"), after));
  }
  return CodeOf(*outcome);
}

ExitCode Follow(Context& context, const FollowFlags& flags) {
  if (absl::Status s = context.CheckOutput({"table", "wide", "json", "jsonl", "quiet"},
                                           "treadle task follow prints what a task says");
      !s.ok()) {
    return context.Fail(s);
  }
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  FollowOptions options;
  options.from_offset = static_cast<uint64_t>(flags.from_offset);
  options.wait = !flags.no_wait;
  if (flags.timeout_ms > 0) options.timeout = std::chrono::milliseconds(flags.timeout_ms);
  TaskOutput output = (*client)->Follow(flags.task_id, options);
  const ExitCode printed = PrintOutput(context, **client, flags, output);
  if (printed != ExitCode::kOk) return printed;
  if (!output.status().ok()) {
    if (flags.no_wait && !context.interrupt.fired()) return context.FailCall(output.status());
    return FailAwait(context, flags.task_id, flags.timeout_ms, output.status());
  }
  return output.ended() ? TellEnd(context, **client, flags.task_id) : ExitCode::kOk;
}

}  // namespace

void AddFollowCommand(CLI::App& group, Command& chosen) {
  auto flags = std::make_shared<FollowFlags>();
  CLI::App& follow = AddSubcommand(
      group, "follow",
      "Prints what a task says while it runs, to its end, and what it said before.",
      "Its log, its program's standard error, and the parts of its result that are ready, on\n"
      "standard output; on standard error where an attempt begins, and how the task ended. Lines\n"
      "of an attempt that does not count any more begin with its number. It goes on while the\n"
      "broker is restarted. Ctrl-C ends it, not the task. The exit code tells how the task ended,\n"
      "as that of treadle result does; with --no-wait it is 0 when it has not.\n"
      "\n"
      "Examples:\n"
      "  treadle task follow cnsef1k6a7-1k9\n"
      "  treadle task follow cnsef1k6a7-1k9 --no-wait --timestamps | grep -i error\n"
      "  treadle task follow cnsef1k6a7-1k9 -o jsonl | jq 'select(.kind == \"PART\")'\n");
  program::AddText(follow, "ID", flags->task_id, "", "The task, as treadle submit printed it.")
      ->required();
  program::AddCount(follow, "--from", flags->from_offset, 0, INT64_MAX,
                    "Begin with the entry of this offset, as -o json has them.")
      ->default_str("");
  AddFlag(follow, "--timestamps", flags->timestamps,
          "Before each line when it was said, by the worker's clock.");
  AddFlag(follow, "--no-wait", flags->no_wait, "Print what is there now, and no more.");
  AddBound(follow, "--timeout", flags->timeout_ms, limits::kAheadMsMax,
           "Follow it no longer, and exit with 5; the task goes on.");
  follow.callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return Follow(context, *flags); }; });
}

}  // namespace treadle::cli
