#include <algorithm>
#include <string>

#include "absl/strings/str_join.h"
#include "client/cli/context.h"
#include "client/cli/human.h"
#include <fmt/format.h>

namespace treadle::cli {
namespace {

std::string StateOf(const v1::Worker& worker) {
  if (!worker.connected()) return "lost";
  return worker.draining() ? "draining" : "connected";
}

std::string TypesOf(const v1::Worker& worker) {
  std::vector<std::string> types;
  for (const v1::WorkerPoolStats& pool : worker.pools()) {
    if (pool.types().empty()) return "(every type)";
    types.insert(types.end(), pool.types().begin(), pool.types().end());
  }
  return absl::StrJoin(types, ",");
}

ExitCode ListWorkers(Context& context) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  absl::StatusOr<std::vector<v1::Worker>> workers = (*client)->ListWorkers();
  if (!workers.ok()) return context.FailCall(workers.status());
  if (context.json()) {
    std::string lines;
    for (const v1::Worker& worker : *workers) lines += Line(ToJson(worker));
    return context.Print(lines);
  }
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"NAME"},
               {"STATE"},
               {"RUNNING", kRight},
               {"SLOTS", kRight},
               {"SUCCEEDED", kRight},
               {"FAILED", kRight},
               {"QUEUES"},
               {"TYPES"}});
  for (const v1::Worker& worker : *workers) {
    int64_t running = 0;
    int64_t slots = 0;
    for (const v1::WorkerPoolStats& pool : worker.pools()) {
      running += pool.running();
      slots += pool.slots();
    }
    table.Add({worker.name(), StateOf(worker), std::to_string(running), std::to_string(slots),
               std::to_string(worker.succeeded_total()), std::to_string(worker.failed_total()),
               absl::StrJoin(worker.queues(), ","), TypesOf(worker)});
  }
  if (table.empty()) {
    context.terminal.Complain("no workers: start one with treadle-worker" + context.BrokerFlag());
    return ExitCode::kOk;
  }
  return context.Print(table);
}

}  // namespace

void AddWorkerCommands(CLI::App& root, Command& chosen) {
  CLI::App& worker = AddSubcommand(root, "worker", "Looks at workers.", "");
  worker.require_subcommand(1);
  AddSubcommand(worker, "list", "Lists the workers that are attached, or hold leases still.",
                "Examples:\n"
                "  treadle worker list\n"
                "  treadle worker list --output json | jq -r 'select(.draining) | .name'\n")
      .callback([&chosen] { chosen = ListWorkers; });
}

}  // namespace treadle::cli
