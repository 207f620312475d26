#include <cstdint>
#include <memory>
#include <string>

#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/view.h"
#include "client/cli/watch.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

std::string DescribeServer(const v1::ServerInfo& server, const Context& context) {
  Sheet sheet;
  sheet.Add("broker", context.broker);
  sheet.Add("version", server.version());
  sheet.Add("up", HumanDuration(server.now_ms() - server.started_at_ms()));
  sheet.Add("store", server.store());
  if (server.disk_hung_ms() > 0) {
    sheet.Add("disk", "has not answered for " + HumanDuration(server.disk_hung_ms()));
  }
  sheet.Add("unfinished tasks",
            fmt::format("{} (at most {})", HumanNumber(server.unfinished_tasks()),
                        HumanNumber(server.limits().unfinished_tasks_max())));
  sheet.Add("queues", fmt::format("{} (at most {})", HumanNumber(server.queues()),
                                  HumanNumber(server.limits().queues_max())));
  sheet.Add("workers", HumanNumber(server.workers()));
  sheet.Add("sessions", HumanNumber(server.sessions()));
  sheet.Add("payload", "at most " + HumanBytes(server.limits().payload_bytes_max()));
  sheet.Add("request keys", "kept for " + HumanDuration(server.limits().request_key_window_ms()));
  return context.Render(sheet);
}

ExitCode ShowServer(Context& context, Client& client) {
  const absl::StatusOr<v1::ServerInfo> server = client.GetServerInfo();
  if (!server.ok()) return context.FailCall(server.status());
  const View<v1::ServerInfo> view = {
      {}, [&](const v1::ServerInfo&) { return context.broker; }, DescribeServer};
  return PrintOne(context, view, *server);
}

// Connecting waits for the broker's answer.
ExitCode WaitForServer(Context& context, int64_t timeout_ms) {
  context.connect_timeout_ms = timeout_ms;
  const auto client = context.Connect();
  return client.ok() ? ExitCode::kOk : context.FailCall(client.status());
}

}  // namespace

void AddServerCommands(CLI::App& root, Command& chosen) {
  CLI::App& server = AddSubcommand(root, "server", "Looks at the broker itself.", "");
  server.require_subcommand(1);
  auto watch = std::make_shared<WatchFlags>();
  CLI::App& show =
      AddSubcommand(server, "show", "Shows the broker's version, store, load and bounds.",
                    "Examples:\n"
                    "  treadle server show\n"
                    "  treadle server show -o json | jq .unfinished_tasks\n");
  show.alias("info");
  AddWatchFlags(show, *watch);
  show.callback([&chosen, watch] {
    chosen = [watch](Context& context) {
      return Look(context, *watch, [&](Client& client) { return ShowServer(context, client); });
    };
  });

  auto timeout_ms = std::make_shared<int64_t>(limits::kMinuteMs);
  CLI::App& wait = AddSubcommand(
      server, "wait", "Waits until the broker answers.",
      "The exit code is 0 when it does, and 4 when it has not within the time.\n"
      "\n"
      "Example:\n"
      "  treadle-server --data-dir tasks & treadle server wait && treadle queue list\n");
  program::AddDuration(wait, "--timeout", *timeout_ms, 0, limits::kHourMs, "How long to wait.");
  wait.callback([&chosen, timeout_ms] {
    chosen = [timeout_ms](Context& context) { return WaitForServer(context, *timeout_ms); };
  });
}

}  // namespace treadle::cli
