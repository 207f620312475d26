#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
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
#include "proto/program/labels.h"
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
  std::vector<std::string> labels;
  std::string reason;
  int64_t for_ms = 0;
  bool wait = false;
  int64_t timeout_ms = 0;
};

std::string Progress(const v1::Drain& drain) {
  return fmt::format("{} draining, {} of them with tasks still",
                     HumanCount(drain.workers(), "worker"), drain.busy_workers());
}

// Until no worker that matches has a task.
ExitCode AwaitDrained(Context& context, Client& client, const DrainFlags& flags, v1::Drain drain) {
  constexpr std::chrono::milliseconds kLookEvery{200};
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::milliseconds timeout(flags.timeout_ms);
  Interrupt::Scope on_interrupt(context.interrupt, [] {});
  int64_t told = -1;
  do {
    const absl::StatusOr<v1::Drain> found = client.GetDrain(drain.drain_id());
    if (!found.ok() && !absl::IsUnavailable(found.status())) {
      return context.FailCall(found.status());
    }
    if (found.ok() && found->busy_workers() == 0) return ExitCode::kOk;
    if (found.ok() && context.table() && found->busy_workers() != told) {
      told = found->busy_workers();
      context.terminal.Complain(Progress(*found));
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
  const auto labels = program::ReadLabels(flags.labels);
  if (!labels.ok()) return context.Fail(labels.status());
  const auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  v1::DrainWorkersRequest request;
  request.set_worker(flags.worker);
  request.mutable_labels()->insert(labels->begin(), labels->end());
  request.set_reason(flags.reason);
  request.set_for_ms(flags.for_ms);
  const absl::StatusOr<v1::DrainWorkersResponse> set = (*client)->DrainWorkers(request);
  if (!set.ok()) return context.FailCall(set.status());
  if (set->workers() == 0) {
    context.terminal.Complain("no worker matches now: those that come will be told to end");
  }
  if (flags.wait) {
    const ExitCode code = AwaitDrained(context, **client, flags, set->drain());
    if (code != ExitCode::kOk) return code;
  }
  if (context.table()) {
    return context.Print(fmt::format("{} {} (drain {})\n", HumanCount(set->workers(), "worker"),
                                     flags.wait ? "drained" : "draining", set->drain().drain_id()));
  }
  return PrintObject(context, {{"drain_id", set->drain().drain_id()}, {"workers", set->workers()}});
}

ExitCode ListDrains(Context& context, Client& client) {
  const absl::StatusOr<std::vector<v1::Drain>> drains = client.ListDrains();
  if (!drains.ok()) return context.FailCall(drains.status());
  Listing<v1::Drain> listing(context, kDrainView);
  for (const v1::Drain& drain : *drains) {
    if (const ExitCode code = listing.Add(drain); code != ExitCode::kOk) return code;
  }
  const ExitCode printed = listing.Finish();
  return printed == ExitCode::kOk && drains->empty() && context.table()
             ? PrintNote(context, "no drain stands")
             : printed;
}

// The drain of this id, or of just this name or pattern and these labels.
ExitCode Undrain(Context& context, const DrainFlags& flags) {
  const auto labels = program::ReadLabels(flags.labels);
  if (!labels.ok()) return context.Fail(labels.status());
  const auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<std::vector<v1::Drain>> drains = (*client)->ListDrains();
  if (!drains.ok()) return context.FailCall(drains.status());
  for (const v1::Drain& drain : *drains) {
    const std::map<std::string, std::string> its(drain.labels().begin(), drain.labels().end());
    const bool by_id = labels->empty() && drain.drain_id() == flags.worker;
    if (!by_id && (drain.worker() != flags.worker || its != *labels)) continue;
    const absl::Status removed = (*client)->RemoveDrain(drain.drain_id());
    return removed.ok() ? ExitCode::kOk : context.FailCall(removed);
  }
  return context.Fail(absl::NotFoundError("no such drain: treadle worker drains has all"));
}

struct ReleaseFlags {
  std::string worker;
  std::string reason;
};

ExitCode ReleaseWorker(Context& context, const ReleaseFlags& flags) {
  if (absl::Status s = CheckObjectOutput(context, "this counts workers"); !s.ok()) {
    return context.Fail(s);
  }
  const auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  const absl::StatusOr<int64_t> released = (*client)->ReleaseWorker(flags.worker, flags.reason);
  if (!released.ok()) return context.FailCall(released.status());
  if (context.table()) return context.Print(HumanCount(*released, "worker") + " released\n");
  return PrintObject(context, {{"workers", *released}});
}

void AddReleaseCommand(CLI::App& worker, Command& chosen) {
  auto flags = std::make_shared<ReleaseFlags>();
  CLI::App& release = AddSubcommand(
      worker, "release", "Gives tasks again to a worker in quarantine.",
      "A worker goes into quarantine when its attempts fail one after the other, while those of\n"
      "others succeed: it gets no more tasks. treadle worker show says since when, and has the\n"
      "error of the last failure. Its failures are counted from none on.\n"
      "\n"
      "Example:\n"
      "  treadle worker release resizer-3 --reason 'new disk'\n");
  program::AddText(release, "WORKER", flags->worker, "", "The worker's name, or its id.")
      ->required();
  program::AddText(release, "--reason", flags->reason, "TEXT", "Why, for people.");
  release.callback([&chosen, flags] {
    chosen = [flags](Context& context) { return ReleaseWorker(context, *flags); };
  });
}

void AddDrainCommands(CLI::App& worker, Command& chosen) {
  auto flags = std::make_shared<DrainFlags>();
  const auto choose = [&chosen, flags](auto run) {
    return [&chosen, flags, run] {
      chosen = [flags, run](Context& context) { return run(context, *flags); };
    };
  };
  CLI::App& drain = AddSubcommand(
      worker, "drain", "Has workers finish what they run, and end.",
      "As after SIGTERM: a worker takes no more tasks, hands back what has not begun, which costs\n"
      "no attempt, and lets the rest finish within its own --drain-timeout. The drain stands, "
      "also\n"
      "after a restart of the broker, until treadle worker undrain or the end of --for: a worker\n"
      "that is started anew meanwhile is told to end again.\n"
      "\n"
      "Examples:\n"
      "  treadle worker drain 'gpu-*' --reason 'new drivers'\n"
      "  treadle worker drain --label zone=a --for 2h\n"
      "  treadle worker drain resizer-3 --wait --timeout 10m && ssh resizer-3 upgrade\n");
  program::AddText(drain, "WORKER", flags->worker, "",
                   "The workers' name, a pattern of names (* and ?), or one's id.");
  program::AddList(drain, "--label", flags->labels, "KEY=VALUE",
                   "Of these, those with this label; give the flag once for each.");
  program::AddText(drain, "--reason", flags->reason, "TEXT", "Why, for people.");
  AddBound(drain, "--for", flags->for_ms, limits::kAheadMsMax, "Ends by itself after so long.");
  AddFlag(drain, "--wait", flags->wait, "Wait until none of them has a task.");
  AddBound(drain, "--timeout", flags->timeout_ms, limits::kAheadMsMax,
           "With --wait: wait no longer, and exit with 5; the workers go on draining.");
  drain.callback(choose(DrainWorker));

  auto watch = std::make_shared<WatchFlags>();
  CLI::App& drains = AddSubcommand(worker, "drains", "Lists the drains that stand.",
                                   "Example:\n  treadle worker drains --watch\n");
  AddWatchFlags(drains, *watch);
  drains.callback([&chosen, watch] {
    chosen = [watch](Context& context) {
      return Look(context, *watch, [&](Client& client) { return ListDrains(context, client); });
    };
  });

  CLI::App& undrain =
      AddSubcommand(worker, "undrain", "Removes a drain: who starts from now on gets tasks.",
                    "Workers that were told to end go on ending.\n"
                    "\n"
                    "Examples:\n"
                    "  treadle worker undrain 'gpu-*'\n"
                    "  treadle worker undrain --label zone=a\n");
  program::AddText(undrain, "DRAIN", flags->worker, "", "What was drained, or the drain's id.");
  program::AddList(undrain, "--label", flags->labels, "KEY=VALUE", "The labels of the drain.");
  undrain.callback(choose(Undrain));
}

}  // namespace

void AddWorkerCommands(CLI::App& root, Command& chosen) {
  CLI::App& worker =
      AddSubcommand(root, "worker", "Looks at workers, drains and releases them.", "");
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
  AddDrainCommands(worker, chosen);
  AddReleaseCommand(worker, chosen);
}

}  // namespace treadle::cli
