#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/view.h"
#include "client/cli/watch.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

constexpr char kKindPrefix[] = "ACTION_KIND_";

std::string DescribeSyncs(const v1::ServerStats& stats) {
  std::string last;
  if (stats.sync_last_ms() >= 0) {
    last = "; the last one took " + HumanDuration(stats.sync_last_ms());
  }
  if (stats.sync_p50_ms() < 0) return "none in the last minute" + last;
  const auto within = [](double ms) { return HumanDuration(static_cast<int64_t>(std::ceil(ms))); };
  return fmt::format("half within {}, 99 % within {}{}", within(stats.sync_p50_ms()),
                     within(stats.sync_p99_ms()), last);
}

// What was done together, and what 99 of a hundred were at most.
std::string DescribeGroups(double mean, double p99, std::string (*text)(int64_t)) {
  if (mean < 0) return "none in the last minute";
  const auto up = [text](double value) { return text(static_cast<int64_t>(std::ceil(value))); };
  return fmt::format("{} on average, 99 % at most {}", up(mean), up(p99));
}

std::string DescribeUse(int64_t bytes, int64_t bytes_max) {
  return fmt::format("{} (at most {})", HumanBytes(bytes), HumanBytes(bytes_max));
}

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
  const v1::ServerStats& stats = server.stats();
  if (server.store() != "memory") sheet.Add("syncs", DescribeSyncs(stats));
  sheet.Add("requests in a turn",
            DescribeGroups(stats.turn_requests_mean(), stats.turn_requests_p99(), HumanNumber));
  sheet.Add("rows of a turn",
            DescribeGroups(stats.turn_bytes_mean(), stats.turn_bytes_p99(), HumanBytes));
  sheet.Add("memory", HumanBytes(stats.resident_bytes()) + " resident");
  sheet.Add("payloads at hand",
            DescribeUse(stats.payload_cache_bytes(), stats.payload_cache_bytes_max()));
  sheet.Add("waiting for room", DescribeUse(stats.waiting_bytes(), stats.waiting_bytes_max()));
  sheet.Add("waiting for disk", DescribeUse(stats.unsynced_bytes(), stats.unsynced_bytes_max()));
  sheet.Add("received, not taken",
            fmt::format("{} (at most {} in each lane)", HumanBytes(stats.incoming_bytes()),
                        HumanBytes(stats.incoming_lane_bytes_max())));
  sheet.Add("sent, not read", DescribeUse(stats.outgoing_bytes(), stats.outgoing_bytes_max()));
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

// "QUEUE_PAUSED" is "queue paused".
std::string KindName(v1::ActionKind kind) {
  std::string name = v1::ActionKind_Name(kind);
  name = absl::AsciiStrToLower(name.substr(std::min(name.size(), std::size(kKindPrefix) - 1)));
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string DescribeAction(const v1::Action& action, const Context& context) {
  Sheet sheet;
  sheet.Add("action", std::to_string(action.number()));
  sheet.Add("what", KindName(action.kind()) + ": " + Printable(action.subject()));
  sheet.Add("details", Printable(action.details()));
  sheet.Add("when", HumanTimeAndAge(action.at_ms()));
  sheet.Add("who", Printable(action.actor()) + ", " + action.peer());
  sheet.Add("reason", Printable(action.reason()));
  return context.Render(sheet);
}

const View<v1::Action> kActionView = {
    {{{"NO", kRight}, [](const v1::Action& a) { return std::to_string(a.number()); }},
     {{"WHEN"}, [](const v1::Action& a) { return HumanTime(a.at_ms()); }},
     {{"WHO"}, [](const v1::Action& a) { return a.actor().empty() ? "-" : Printable(a.actor()); }},
     {{"DID"}, [](const v1::Action& a) { return KindName(a.kind()); }},
     {{"TO"}, [](const v1::Action& a) { return Printable(a.subject()); }},
     {{"DETAILS"}, [](const v1::Action& a) { return Printable(a.details()); }},
     {{"REASON"}, [](const v1::Action& a) { return Printable(a.reason()); }},
     {{"FROM"}, [](const v1::Action& a) { return a.peer(); }, true}},
    [](const v1::Action& a) { return std::to_string(a.number()); },
    DescribeAction};

struct ActionFlags : WatchFlags {
  std::string subject;
  std::vector<std::string> kinds;
  int64_t limit = 50;
};

ExitCode ListActions(const Context& context, Client& client, const ActionFlags& flags) {
  v1::ListActionsRequest request;
  request.set_subject(flags.subject);
  for (const std::string& word : flags.kinds) {
    std::string name = absl::AsciiStrToUpper(word);
    std::replace(name.begin(), name.end(), '-', '_');
    v1::ActionKind kind = v1::ACTION_KIND_UNSPECIFIED;
    if (!v1::ActionKind_Parse(kKindPrefix + name, &kind)) {
      return context.Fail(absl::InvalidArgumentError(fmt::format(
          "--kind {}: write what the column DID says, as in queue-paused", Printable(word))));
    }
    request.add_kinds(kind);
  }
  return PrintPages(
      context, kActionView, request, flags.limit, "no such action",
      [&client](const auto& page) { return client.ListActions(page); },
      [](const v1::ListActionsResponse& page) { return page.actions(); });
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
      AddSubcommand(server, "show", "Shows the broker's version, store, load, memory and bounds.",
                    "Syncs, and turns of the broker's loop, are those of the last minute.\n"
                    "\n"
                    "Examples:\n"
                    "  treadle server show --watch\n"
                    "  treadle server show -o json | jq .stats.sync_p99_ms\n");
  show.alias("info");
  AddWatchFlags(show, *watch);
  show.callback([&chosen, watch] {
    chosen = [watch](Context& context) {
      return Look(context, *watch, [&](Client& client) { return ShowServer(context, client); });
    };
  });

  auto actions = std::make_shared<ActionFlags>();
  CLI::App& log = AddSubcommand(
      server, "actions", "Lists what operators did, the newest first.",
      "The latest 10,000 changes to queues, tasks, dead letters, jobs, drains and workers in\n"
      "quarantine. WHO is as the caller states it: this command sends user@host.\n"
      "\n"
      "Examples:\n"
      "  treadle server actions --subject mail\n"
      "  treadle server actions --kind queue-paused --kind queue-resumed -o wide\n");
  program::AddText(log, "--subject", actions->subject, "NAME",
                   "Only what was done to this queue, task, job, drain or worker.");
  program::AddList(log, "--kind", actions->kinds, "KIND",
                   "Only of this kind, queue-paused say; give the flag once for each.");
  program::AddCount(log, "--limit", actions->limit, 1, limits::kActionsKept, "How many at most.");
  AddWatchFlags(log, *actions);
  log.callback([&chosen, actions] {
    chosen = [actions](Context& context) {
      return Look(context, *actions,
                  [&](Client& client) { return ListActions(context, client, *actions); });
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
