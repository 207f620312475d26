#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/task/handler_advice.h"
#include "proto/wire/settings.h"

namespace treadle::cli {
namespace {

std::string StateOf(const v1::Worker& worker) {
  if (!worker.connected()) return "lost";
  return worker.draining() ? "draining" : "connected";
}

std::string TypesOf(const std::vector<const v1::WorkerPoolStats*>& pools) {
  std::vector<std::string> types;
  for (const v1::WorkerPoolStats* const pool : pools) {
    if (pool->types().empty()) return "(every type)";
    types.insert(types.end(), pool->types().begin(), pool->types().end());
  }
  std::erase(types, wire::kNoType);
  return types.empty() ? "-" : absl::StrJoin(types, ",");
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
               absl::StrJoin(worker.queues(), ","),
               TypesOf({worker.pools().pointer_begin(), worker.pools().pointer_end()})});
  }
  if (table.empty()) {
    context.terminal.Complain("no workers: start one with treadle-worker" + context.BrokerFlag());
    return ExitCode::kOk;
  }
  return context.Print(table);
}

// The worker with this id, or else the only one of this name.
absl::StatusOr<v1::Worker> Find(const std::vector<v1::Worker>& workers,
                                const std::string& name_or_id) {
  std::vector<std::string> ids;
  const v1::Worker* found = nullptr;
  for (const v1::Worker& worker : workers) {
    if (worker.worker_id() == name_or_id) return worker;
    if (worker.name() != name_or_id) continue;
    found = &worker;
    ids.push_back(worker.worker_id());
  }
  if (ids.size() == 1) return *found;
  if (ids.empty()) {
    return absl::NotFoundError(
        fmt::format("no worker '{}': treadle worker list has all", Printable(name_or_id)));
  }
  return absl::InvalidArgumentError(
      fmt::format("{} workers are named '{}': say which by its id: {}", ids.size(),
                  Printable(name_or_id), absl::StrJoin(ids, ", ")));
}

std::string Describe(const v1::Worker& worker) {
  Sheet sheet;
  sheet.Add("name", worker.name());
  sheet.Add("id", worker.worker_id());
  sheet.Add("state", StateOf(worker));
  sheet.Add("from", worker.peer());
  sheet.Add("attached", HumanTime(worker.attached_at_ms()));
  sheet.Add("queues", absl::StrJoin(worker.queues(), ","));
  sheet.Add("succeeded", std::to_string(worker.succeeded_total()));
  sheet.Add("failed", std::to_string(worker.failed_total()));
  return sheet.Render();
}

Table PoolsOf(const v1::Worker& worker) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"POOL"},
               {"SLOTS", kRight},
               {"RUNNING", kRight},
               {"LEASED", kRight},
               {"CREDIT", kRight},
               {"TYPES"}});
  for (const v1::WorkerPoolStats& pool : worker.pools()) {
    table.Add({pool.name(), std::to_string(pool.slots()), std::to_string(pool.running()),
               std::to_string(pool.leased()), std::to_string(pool.free()), TypesOf({&pool})});
  }
  return table;
}

Table HandlersOf(const v1::Worker& worker) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"HANDLER"},
               {"POOL"},
               {"RUNS", kRight},
               {"EACH", kRight},
               {"CPU", kRight},
               {"RECOMMENDED"}});
  for (const v1::HandlerStats& handler : worker.handlers()) {
    const bool measured = handler.measured_runs() > 0 && handler.wall_ms() > 0;
    table.Add({handler.type(), handler.pool(), std::to_string(handler.runs()),
               measured ? fmt::format("{:.2f} ms", handler.wall_ms()) : "-",
               measured ? fmt::format("{:.0f} %", 100 * handler.cpu_ms() / handler.wall_ms()) : "-",
               std::string(AdviceText(handler.advice()))});
  }
  return table;
}

ExitCode ShowWorker(Context& context, const std::string& name_or_id) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<std::vector<v1::Worker>> workers = (*client)->ListWorkers();
  if (!workers.ok()) return context.FailCall(workers.status());
  const absl::StatusOr<v1::Worker> worker = Find(*workers, name_or_id);
  if (!worker.ok()) return context.Fail(worker.status());
  if (context.json()) return context.Print(ToJson(*worker));
  std::string text = Describe(*worker);
  const int columns = context.terminal.out_columns();
  if (!worker->pools().empty()) text += '\n' + PoolsOf(*worker).Render(columns);
  if (!worker->handlers().empty()) text += '\n' + HandlersOf(*worker).Render(columns);
  return context.Print(text);
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
  auto name_or_id = std::make_shared<std::string>();
  CLI::App& show = AddSubcommand(
      worker, "show", "Shows a worker's pools, and how its handlers fare in them.",
      "EACH is what a run takes on average, without waiting for a CPU; CPU is the share of it in\n"
      "which the handler computes. Handlers are told of by workers that use Treadle's library,\n"
      "every 2 s while they are connected.\n"
      "\n"
      "Examples:\n"
      "  treadle worker show host:4711\n"
      "  treadle worker show host:4711 --output json | jq '.handlers[] | {type, pool, advice}'\n");
  program::AddText(show, "WORKER", *name_or_id, "", "The worker's name, or its id.")->required();
  show.callback([&chosen, name_or_id] {
    chosen = [name_or_id](Context& context) { return ShowWorker(context, *name_or_id); };
  });
}

}  // namespace treadle::cli
