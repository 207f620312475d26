#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/outcome.h"
#include "client/cli/task_view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

struct WaitFlags {
  std::vector<std::string> ids;
  int64_t timeout_ms = 0;
};

// One after the other: who waits for all has waited for the slowest in any order.
ExitCode Wait(Context& context, const WaitFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const auto start = std::chrono::steady_clock::now();
  Listing<v1::Outcome> listing(context, kOutcomeView);
  ExitCode code = ExitCode::kOk;
  for (const std::string& id : flags.ids) {
    int64_t left_ms = 0;
    if (flags.timeout_ms > 0) {
      const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(
          std::chrono::steady_clock::now() - start);
      left_ms = std::max<int64_t>(1, flags.timeout_ms - passed.count());
    }
    const auto outcome =
        AwaitEnd(context, **client, id, left_ms, [](const v1::Task&) { return ExitCode::kOk; });
    if (!outcome.ok()) {
      const ExitCode failed = FailAwait(context, id, flags.timeout_ms, outcome.status());
      listing.Finish();
      return failed;
    }
    if (code == ExitCode::kOk) code = CodeOf(*outcome);
    if (const ExitCode printed = listing.Add(*outcome); printed != ExitCode::kOk) return printed;
  }
  const ExitCode printed = listing.Finish();
  return printed != ExitCode::kOk ? printed : code;
}

ExitCode Watch(Context& context, const WaitFlags& flags) {
  if (absl::Status s = context.CheckOutput({"table", "wide", "json", "jsonl", "csv", "quiet"},
                                           "treadle task watch prints changes of one task");
      !s.ok()) {
    return context.Fail(s);
  }
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const std::string& id = flags.ids.front();
  const auto start = absl::Now();
  bool follows = false;
  ExitCode printed = ExitCode::kOk;
  const auto outcome = AwaitEnd(context, **client, id, flags.timeout_ms, [&](const v1::Task& task) {
    if (context.table()) {
      printed =
          context.Print(HumanTime(absl::ToUnixMillis(absl::Now())) + "  " +
                        WaitingLine(task, absl::ToInt64Milliseconds(absl::Now() - start)) + "\n");
    } else if (context.json()) {
      printed = context.Print(ToJson(task));
    } else {
      printed = PrintOne(context, kTaskView, task, std::exchange(follows, true));
    }
    return printed;
  });
  if (printed != ExitCode::kOk) return printed;
  if (!outcome.ok()) return FailAwait(context, id, flags.timeout_ms, outcome.status());
  if (outcome->has_error()) context.terminal.Complain(Describe(ErrorOf(*outcome)));
  return CodeOf(*outcome);
}

}  // namespace

void AddWaitCommands(CLI::App& group, Command& chosen) {
  auto flags = std::make_shared<WaitFlags>();
  CLI::App& wait = AddSubcommand(
      group, "wait", "Waits until tasks have ended, and lists how; their results stay.",
      "The exit code is 0 when all succeeded, and 1 when one did not.\n"
      "\n"
      "Examples:\n"
      "  treadle task wait cnsef1k6a7-1k9 cnsef1k6a7-1ka\n"
      "  treadle task wait cnsef1k6a7-1k9 --timeout 10m -o quiet && echo done\n");
  wait.add_option("ID", flags->ids, "The task's id; several are fine.")->required();
  AddBound(wait, "--timeout", flags->timeout_ms, limits::kAheadMsMax,
           "Wait no longer for all of them, and exit with 5; the tasks go on.");
  wait.callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return Wait(context, *flags); }; });

  auto watch_flags = std::make_shared<WaitFlags>();
  CLI::App& watch =
      AddSubcommand(group, "watch", "Prints each change of a task's state and progress to its end.",
                    "The exit code tells how the task ended, as that of treadle result does.\n"
                    "\n"
                    "Examples:\n"
                    "  treadle task watch cnsef1k6a7-1k9\n"
                    "  treadle task watch cnsef1k6a7-1k9 -o jsonl | jq .progress.fraction\n");
  watch.add_option("ID", watch_flags->ids, "The task's id.")->required()->expected(1);
  AddBound(watch, "--timeout", watch_flags->timeout_ms, limits::kAheadMsMax,
           "Watch no longer, and exit with 5; the task goes on.");
  watch.callback([&chosen, watch_flags] {
    chosen = [watch_flags](Context& context) { return Watch(context, *watch_flags); };
  });
}

}  // namespace treadle::cli
