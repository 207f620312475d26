#include <cstdint>
#include <memory>
#include <string>

#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/outcome.h"
#include <CLI/CLI.hpp>

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

struct ResultFlags {
  std::string task_id;
  int64_t timeout_ms = 0;
};

ExitCode FetchResult(Context& context, const ResultFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  return AwaitAndPrint(context, **client, flags.task_id, flags.timeout_ms);
}

}  // namespace

void AddResultCommand(CLI::App& parent, Command& chosen) {
  auto flags = std::make_shared<ResultFlags>();
  CLI::App& command = AddSubcommand(
      parent, "result",
      "Waits until a task ends, and writes its result to standard output, byte for byte.",
      "What a failed program had written comes first, and its error on standard error.\n"
      "It goes on waiting while the broker is restarted. On a terminal a line shows how far\n"
      "the task is. Ctrl-C ends the wait, not the task. " +
          OtherForm(parent, "result") +
          "\n"
          "Examples:\n"
          "  treadle result cnsef1k6a7-1k9 > report.pdf\n"
          "  treadle result cnsef1k6a7-1k9 --timeout 10s || echo \"not yet, or failed: $?\"\n"
          "  treadle result cnsef1k6a7-1k9 -o json | jq -r .state\n");
  program::AddText(command, "ID", flags->task_id, "", "The task, as treadle submit printed it.")
      ->required();
  AddBound(command, "--timeout", flags->timeout_ms, limits::kAheadMsMax,
           "Wait no longer, and exit with 5; the task goes on.");
  command.callback([&chosen, flags] {
    chosen = [flags](Context& context) { return FetchResult(context, *flags); };
  });
}

}  // namespace treadle::cli
