#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include <fmt/format.h>

namespace treadle::cli {
namespace {

ExitCode ShowServer(Context& context) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  absl::StatusOr<v1::ServerInfo> server = (*client)->GetServerInfo();
  if (!server.ok()) return context.FailCall(server.status());
  if (context.json()) return context.Print(ToJson(*server));
  Sheet sheet;
  sheet.Add("broker", context.broker);
  sheet.Add("version", server->version());
  sheet.Add("up", HumanDuration(server->now_ms() - server->started_at_ms()));
  sheet.Add("store", server->store());
  if (server->disk_hung_ms() > 0) {
    sheet.Add("disk", "has not answered for " + HumanDuration(server->disk_hung_ms()));
  }
  sheet.Add("unfinished tasks", fmt::format("{} (at most {})", server->unfinished_tasks(),
                                            server->limits().unfinished_tasks_max()));
  sheet.Add("queues",
            fmt::format("{} (at most {})", server->queues(), server->limits().queues_max()));
  sheet.Add("workers", std::to_string(server->workers()));
  sheet.Add("sessions", std::to_string(server->sessions()));
  sheet.Add("payload", "at most " + HumanBytes(server->limits().payload_bytes_max()));
  sheet.Add("request keys", "kept for " + HumanDuration(server->limits().request_key_window_ms()));
  return context.Print(sheet.Render());
}

}  // namespace

void AddServerCommands(CLI::App& root, Command& chosen) {
  CLI::App& server = AddSubcommand(root, "server", "Shows the broker itself.", "");
  server.require_subcommand(1);
  AddSubcommand(server, "info", "Shows the broker's version, store, load and bounds.",
                "Examples:\n"
                "  treadle server info\n"
                "  treadle server info --output json --connect-timeout 30s   # waits for a start\n")
      .callback([&chosen] { chosen = ShowServer; });
}

}  // namespace treadle::cli
