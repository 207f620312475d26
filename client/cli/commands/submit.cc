#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "client/cli/batch.h"
#include "client/cli/commands/submit_flags.h"
#include "client/cli/console/disk_hint.h"
#include "client/cli/context.h"
#include "client/cli/explain_view.h"
#include "client/cli/file_content.h"
#include "client/cli/flags.h"
#include "client/cli/outcome.h"
#include "client/cli/program_args.h"
#include "client/cli/task_draft.h"
#include "client/cli/view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"
#include "treadle/executor.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::cli {
namespace {

struct OneSubmitFlags : SubmitFlags {
  std::string batch_path;
  std::string payload;
  std::string stdin_path;
  std::string request_key;
  bool wait = false;
  bool dry_run = false;
  int64_t timeout_ms = 0;
};

const View<v1::SubmitResult> kSubmitView = {
    {},
    [](const v1::SubmitResult& result) { return result.task_id(); },
    [](const v1::SubmitResult& result, const Context&) { return result.task_id() + "\n"; }};

absl::StatusOr<TaskDraft> Draft(const Context& context, const OneSubmitFlags& flags) {
  if (!context.program.empty()) {
    if (!flags.type.empty() || !flags.payload.empty()) {
      return absl::InvalidArgumentError(
          "--type and --payload are for tasks that are no programs: leave out either them or the "
          "program");
    }
    absl::StatusOr<SubmitOptions> options = ToSubmitOptions(flags, /*exec=*/true);
    if (!options.ok()) return options.status();
    absl::StatusOr<std::string> input = std::string();
    if (!flags.stdin_path.empty()) input = ReadContent(flags.stdin_path, context.terminal);
    if (!input.ok()) return input.status();
    return DraftProgram(*options, context.program, *std::move(input));
  }
  if (flags.type.empty()) {
    return absl::InvalidArgumentError(
        "nothing to submit: give a program after --, or --type and --payload");
  }
  if (!flags.stdin_path.empty()) {
    return absl::InvalidArgumentError(
        "--stdin is for programs: use --payload @FILE, or --payload -");
  }
  absl::StatusOr<SubmitOptions> options = ToSubmitOptions(flags, /*exec=*/false);
  if (!options.ok()) return options.status();
  absl::StatusOr<std::string> bytes = flags.payload;
  if (flags.payload == "-") bytes = ReadContent("-", context.terminal);
  if (flags.payload.rfind('@', 0) == 0) {
    bytes = ReadContent(flags.payload.substr(1), context.terminal);
  }
  if (!bytes.ok()) return bytes.status();
  return TaskDraft{flags.type, Payload(*std::move(bytes), flags.content_type), *options};
}

// The broker's answer, or why there is none.
absl::StatusOr<Acceptance> Accepted(const Context& context, Client& client,
                                    const OneSubmitFlags& flags, TaskDraft task) {
  Interrupt::Scope on_interrupt(context.interrupt, [&client] { client.Shutdown(); });
  const DiskHint disk(client,
                      [&context](const std::string& text) { context.terminal.Complain(text); });
  Executor executor(client, ExecutorOptions(flags.queue));
  return executor.SubmitRaw(task.options, task.type, std::move(task.payload)).Accepted();
}

ExitCode Submit(Context& context, const OneSubmitFlags& flags) {
  if (!flags.batch_path.empty()) {
    if (flags.wait || flags.dry_run || !flags.payload.empty() || !flags.stdin_path.empty() ||
        !flags.request_key.empty() || !context.program.empty()) {
      return context.Fail(absl::InvalidArgumentError(
          "--batch: payloads, programs and request keys stand in its lines, its tasks are waited "
          "for with treadle task wait, and there is no dry run of many: leave these out"));
    }
    return SubmitBatch(context, flags, flags.batch_path);
  }
  absl::StatusOr<TaskDraft> task = Draft(context, flags);
  if (!task.ok()) return context.Fail(task.status());
  task->options.request_key = flags.request_key;

  auto client = context.Connect(PatientFor(flags));
  if (!client.ok()) return context.FailCall(client.status());
  if (flags.dry_run) {
    const absl::StatusOr<v1::ExplainSubmitResponse> forecast =
        (*client)->ExplainSubmit(flags.queue, task->type, task->payload, task->options);
    if (!forecast.ok()) return context.FailCall(forecast.status());
    return PrintOne(context, kForecastView, *forecast);
  }
  const std::string type = task->type;
  absl::StatusOr<Acceptance> accepted = Accepted(context, **client, flags, *std::move(task));
  if (!accepted.ok()) {
    if (!context.interrupt.fired()) return context.Fail(accepted.status());
    context.terminal.Complain(
        "interrupted before the broker had answered: the task may have been submitted (see treadle "
        "task list); with --request-key it is safe to submit it again");
    return ExitCode::kInterrupted;
  }
  const auto reached = static_cast<v1::Durability>(accepted->durability);
  if (flags.durability_option->count() > 0 && accepted->durability < task->options.durability) {
    context.terminal.Complain(fmt::format(
        "task {} is only as safe as {}: this broker keeps tasks in memory; start treadle-server "
        "with --data-dir for more",
        accepted->task_id, DurabilityName(reached)));
  }
  if (flags.wait) return AwaitAndPrint(context, **client, accepted->task_id, flags.timeout_ms);
  if (accepted->no_worker) {
    context.terminal.Complain(
        fmt::format("no worker runs type '{}' of queue '{}' yet; it waits: treadle task explain {}",
                    type, flags.queue, accepted->task_id));
  }
  v1::SubmitResult result;
  result.set_task_id(accepted->task_id);
  result.set_durability(reached);
  result.set_existing(accepted->existing);
  result.set_no_worker(accepted->no_worker);
  return PrintOne(context, kSubmitView, result);
}

}  // namespace

void AddSubmitCommand(CLI::App& parent, Command& chosen) {
  auto flags = std::make_shared<OneSubmitFlags>();
  CLI::App& command = AddSubcommand(
      parent, "submit", "Submits one task, a program's run or any other, and prints its id.",
      "A program runs on a worker that allows it (treadle-worker --allow-exec), not here:\n"
      "its files are the worker's, and it waits while there is no such worker. Its task's\n"
      "type is exec:PATH. With --type the task is for the handler of that name.\n" +
          OtherForm(parent, "submit") +
          "\n"
          "Examples:\n"
          "  treadle submit -- /usr/bin/uname -a\n"
          "  treadle submit --stdin notes.txt --wait -- /usr/bin/wc -w\n"
          "  ls | treadle submit --stdin - --wait -- /usr/bin/wc -l\n"
          "  treadle submit --type resize --payload 9 --content-type application/json\n"
          "  treadle submit --type resize --payload @job.json -q images --delay 5m\n"
          "  treadle submit --type resize --queue images --dry-run\n"
          "  treadle submit --type bill --payload @order.json --request-key order-17\n"
          "  treadle submit --batch jobs.jsonl --queue images > ids\n"
          "  id=$(treadle submit --type report) && treadle result \"$id\" > report.pdf\n");
  program::AddText(
      command, "--payload", flags->payload, "BYTES|@FILE|-",
      "With --type: what the handler gets; @FILE: a file's content, -: standard input.");
  program::AddText(command, "--batch", flags->batch_path, "FILE.jsonl|-",
                   "Submit many tasks, one a line: a JSON object with payload (or payload_base64), "
                   "or program and stdin, and any of these flags by their names, as in "
                   "{\"type\": \"resize\", \"payload\": {\"w\": 9}, \"run_at\": \"2030-01-01 "
                   "00:00\"}. What a line leaves out is as the flags say.");
  program::AddText(command, "--stdin", flags->stdin_path, "FILE|-",
                   "The program's standard input; without it, none.");
  program::AddText(command, "--request-key", flags->request_key, "KEY",
                   "Makes it safe to submit again: the same key in the same queue names the task "
                   "that is there.");
  AddFlag(command, "-w,--wait", flags->wait,
          "Wait for the end and print the result, as treadle result does.");
  AddFlag(command, "--dry-run", flags->dry_run,
          "Submit nothing: say whether it would run at once, and if not, why.");
  AddBound(command, "--timeout", flags->timeout_ms, limits::kAheadMsMax,
           "With --wait: wait no longer, and exit with 5; the task goes on.");
  AddSubmitFlags(command, *flags, 0);
  TakesProgram(command, "A program that workers may run, and its arguments, as they are.");
  command.callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return Submit(context, *flags); }; });
}

}  // namespace treadle::cli
