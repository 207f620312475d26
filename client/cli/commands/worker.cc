#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/cli/console/human.h"
#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/view.h"
#include "client/cli/watch.h"
#include "client/cli/worker_view.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/task/handler_advice.h"
#include "proto/wire/settings.h"

namespace treadle::cli {
namespace {

absl::Status NoSuchWorker(const std::string& name_or_id) {
  return absl::NotFoundError(
      fmt::format("no worker '{}': treadle worker list has all", Printable(name_or_id)));
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
  if (ids.empty()) return NoSuchWorker(name_or_id);
  return absl::InvalidArgumentError(
      fmt::format("{} workers are named '{}': say which by its id: {}", ids.size(),
                  Printable(name_or_id), absl::StrJoin(ids, ", ")));
}

ExitCode ListWorkers(Context& context, Client& client) {
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) return context.FailCall(workers.status());
  if (workers->empty() && context.table() && context.frame == nullptr) {
    context.terminal.Complain("no workers: start one with treadle-worker" + context.BrokerFlag());
  }
  Listing<v1::Worker> listing(context, kWorkerView);
  for (const v1::Worker& worker : *workers) {
    if (const ExitCode code = listing.Add(worker); code != ExitCode::kOk) return code;
  }
  return listing.Finish();
}

ExitCode ShowWorker(Context& context, Client& client, const std::string& name_or_id) {
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) return context.FailCall(workers.status());
  const absl::StatusOr<v1::Worker> worker = Find(*workers, name_or_id);
  return worker.ok() ? PrintOne(context, kWorkerView, *worker) : context.Fail(worker.status());
}

struct DrainFlags {
  std::string worker;
  bool wait = false;
  int64_t timeout_ms = 0;
};

absl::Status Ask(Client& client, const std::string& id) {
  const absl::Status status = client.DrainWorkers(id).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;  // it has gone meanwhile
}

struct Draining {
  int64_t workers = 0;
  int64_t tasks = 0;  // that they run still
};

// How it goes with these. One that does not drain is asked again: a broker that was started anew
// does not know of it.
absl::StatusOr<Draining> LookAfter(Client& client, const std::set<std::string>& ids) {
  const absl::StatusOr<std::vector<v1::Worker>> workers = client.ListWorkers();
  if (!workers.ok()) return workers.status();
  Draining draining;
  for (const v1::Worker& worker : *workers) {
    if (!ids.contains(worker.worker_id())) continue;
    ++draining.workers;
    for (const v1::WorkerPoolStats& pool : worker.pools()) draining.tasks += pool.leased();
    if (worker.draining()) continue;
    if (absl::Status s = Ask(client, worker.worker_id()); !s.ok()) return s;
  }
  return draining;
}

ExitCode AwaitDrained(Context& context, Client& client, const DrainFlags& flags,
                      const std::set<std::string>& ids) {
  constexpr std::chrono::milliseconds kLookEvery{200};
  // One that had lost its connection just then comes back within this, and is asked again.
  constexpr int kLooksWithout = 10;
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::milliseconds timeout(flags.timeout_ms);
  Interrupt::Scope on_interrupt(context.interrupt, [] {});
  int64_t told = -1;
  int without = 0;
  do {
    const absl::StatusOr<Draining> draining = LookAfter(client, ids);
    without = draining.ok() && draining->workers == 0 ? without + 1 : 0;
    if (without == kLooksWithout) return ExitCode::kOk;
    if (!draining.ok() && !absl::IsUnavailable(draining.status())) {
      return context.FailCall(draining.status());
    }
    if (draining.ok() && draining->workers > 0 && context.table() && draining->tasks != told) {
      told = draining->tasks;
      context.terminal.Complain(fmt::format("{} draining, {} still there",
                                            HumanCount(draining->workers, "worker"),
                                            HumanCount(told, "task")));
    }
    if (flags.timeout_ms > 0 && std::chrono::steady_clock::now() - start >= timeout) {
      context.terminal.Complain(fmt::format("not drained within {}: the workers go on draining",
                                            HumanDuration(flags.timeout_ms)));
      return ExitCode::kTimeout;
    }
  } while (!context.interrupt.WaitFor(kLookEvery));
  return ExitCode::kInterrupted;
}

ExitCode DrainWorker(Context& context, const DrainFlags& flags) {
  if (absl::Status s = CheckObjectOutput(context, "this counts workers"); !s.ok()) {
    return context.Fail(s);
  }
  const auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<std::vector<v1::Worker>> workers = (*client)->ListWorkers();
  if (!workers.ok()) return context.FailCall(workers.status());
  std::set<std::string> ids;
  for (const v1::Worker& worker : *workers) {
    if (worker.worker_id() == flags.worker || worker.name() == flags.worker) {
      ids.insert(worker.worker_id());
    }
  }
  if (ids.empty()) return context.Fail(NoSuchWorker(flags.worker));
  for (const std::string& id : ids) {
    if (absl::Status s = Ask(**client, id); !s.ok()) return context.FailCall(s);
  }
  if (flags.wait) {
    const ExitCode code = AwaitDrained(context, **client, flags, ids);
    if (code != ExitCode::kOk) return code;
  }
  if (context.table()) {
    return context.Print(fmt::format("{} {}\n",
                                     HumanCount(static_cast<int64_t>(ids.size()), "worker"),
                                     flags.wait ? "drained" : "draining"));
  }
  return PrintObject(context, {{"worker", flags.worker}, {"workers", ids.size()}});
}

}  // namespace

void AddWorkerCommands(CLI::App& root, Command& chosen) {
  CLI::App& worker = AddSubcommand(root, "worker", "Looks at workers, and drains them.", "");
  worker.require_subcommand(1);
  auto watch = std::make_shared<WatchFlags>();
  CLI::App& list =
      AddSubcommand(worker, "list", "Lists the workers that are attached, or hold leases still.",
                    "Examples:\n"
                    "  treadle worker list --watch\n"
                    "  treadle worker list -o jsonl | jq -r 'select(.draining) | .name'\n");
  AddWatchFlags(list, *watch);
  list.callback([&chosen, watch] {
    chosen = [watch](Context& context) {
      return Look(context, *watch, [&](Client& client) { return ListWorkers(context, client); });
    };
  });
  auto name_or_id = std::make_shared<std::string>();
  CLI::App& show = AddSubcommand(
      worker, "show", "Shows a worker's pools, and how its handlers fare in them.",
      "EACH is what a run takes on average, without waiting for a CPU; CPU is the share of it in\n"
      "which the handler computes. Handlers are told of by workers that use Treadle's library,\n"
      "every 2 s while they are connected.\n"
      "\n"
      "Examples:\n"
      "  treadle worker show host:4711\n"
      "  treadle worker show host:4711 -o json | jq '.handlers[] | {type, advice}'\n");
  program::AddText(show, "WORKER", *name_or_id, "", "The worker's name, or its id.")->required();
  AddWatchFlags(show, *watch);
  show.callback([&chosen, name_or_id, watch] {
    chosen = [name_or_id, watch](Context& context) {
      return Look(context, *watch,
                  [&](Client& client) { return ShowWorker(context, client, *name_or_id); });
    };
  });
  auto drained = std::make_shared<DrainFlags>();
  CLI::App& drain = AddSubcommand(
      worker, "drain", "Has workers finish what they run, and end.",
      "As after SIGTERM: a worker takes no more tasks, hands back what has not begun, which costs\n"
      "no attempt, and lets the rest finish within its own --drain-timeout. All workers of the\n"
      "name are drained, or the one of the id. Nothing takes it back.\n"
      "\n"
      "Examples:\n"
      "  treadle worker drain host:4711\n"
      "  treadle worker drain resizer-3 --wait --timeout 10m && ssh resizer-3 upgrade\n");
  program::AddText(drain, "WORKER", drained->worker, "", "The workers' name, or one's id.")
      ->required();
  AddFlag(drain, "--wait", drained->wait, "Wait until they have gone.");
  AddBound(drain, "--timeout", drained->timeout_ms, limits::kAheadMsMax,
           "With --wait: wait no longer, and exit with 5; the workers go on draining.");
  drain.callback([&chosen, drained] {
    chosen = [drained](Context& context) { return DrainWorker(context, *drained); };
  });
}

}  // namespace treadle::cli
