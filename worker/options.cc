#include "worker/options.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "proto/program/labels.h"
#include "proto/support/utf8.h"
#include "proto/task/exec_task.h"
#include "worker/exec/exec_handler.h"
#include "worker/pool/pool_bounds.h"

namespace treadle::worker {
namespace {

// In --run-in.
constexpr std::string_view kAllPrograms = "exec";
constexpr std::string_view kEcho = "echo";

// None: it is not written as "TYPE=POOL".
std::optional<std::pair<std::string, RunIn>> ReadRunIn(std::string_view entry) {
  const size_t sign = entry.rfind('=');
  if (sign == std::string_view::npos || sign == 0) return std::nullopt;
  const std::optional<RunIn> run_in = RunInFrom(entry.substr(sign + 1));
  if (!run_in || *run_in == RunIn::kCoroutine) return std::nullopt;
  return std::pair(std::string(entry.substr(0, sign)), *run_in);
}

// What is said of one program wins over what is said of all.
std::map<std::string, RunIn> RunInOf(const Options& options) {
  std::map<std::string, RunIn> run_in;
  std::optional<RunIn> programs;
  for (const std::string& entry : options.run_in) {
    const auto [type, where] = *ReadRunIn(entry);
    if (type == kAllPrograms) {
      programs = where;
    } else {
      run_in.insert_or_assign(type, where);
    }
  }
  if (programs) {
    for (const std::string& path : options.allowed) {
      run_in.emplace(*exec::TypeOf(path), *programs);
    }
  }
  return run_in;
}

// Of the exec handlers, between SIGTERM and SIGKILL to a program: the child process that waits for
// it gets a signal itself only later.
constexpr std::chrono::milliseconds kTerminateAfter{3'000};

// The log, signals, the guard, gRPC and its connections: 16 were seen.
constexpr int64_t kOwnDescriptors = 24;
// Of a program while it is started (child_process.h), and of a child process.
constexpr int64_t kProgramDescriptors = 8;
constexpr int64_t kChildDescriptors = 6;
constexpr char kHowToRaise[] = "raise the limit (ulimit -n, systemd's LimitNOFILE)";

absl::Status CheckName(absl::string_view flag, const std::string& name) {
  if (!name.empty() && std::ssize(name) <= limits::kNameBytesMax && IsPrintableUtf8(name)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " '", absl::Utf8SafeCHexEscape(CutMiddle(name, 80)), "': write 1 to ",
                   limits::kNameBytesMax, " bytes of UTF-8 without control characters"));
}

int64_t OneForEachCpu(int64_t wish) {
  return wish > 0 ? wish : std::max<int64_t>(1, std::thread::hardware_concurrency());
}

}  // namespace

void AddFlags(CLI::App& app, Options& options) {
  program::AddAddress(app, "--broker", options.broker, /*port_min=*/1,
                      "Where the broker listens. Default: what the environment's TREADLE_BROKER "
                      "names, or 127.0.0.1:7733.");
  program::AddSwitch(app, "--http-proxy", options.http_proxy,
                     "Reach the broker through the proxy that the environment's http_proxy names.");
  program::AddList(
      app, "--queue", options.queues, "NAME",
      "A queue to take tasks from; give the flag once for each. It need not exist yet. "
      "Default: default.");
  program::AddText(app, "--name", options.name, "NAME",
                   "How the operator's tools show this worker. Default: host and process id.");
  program::AddList(app, "--label", options.labels, "KEY=VALUE",
                   "What operators know and drain this worker by, as in zone=a; give the flag once "
                   "for each. At most 16.");
  program::AddCount(app, "--concurrency", options.concurrency, 0, kThreadsMax,
                    "Tasks that run at once on threads. 0: one for each CPU.");
  program::AddList(app, "--run-in", options.run_in, "TYPE=POOL",
                   "Where tasks of a type run: thread, process, or auto, which measures them; give "
                   "the flag once for each. exec stands for all programs, exec:PATH for one. "
                   "Default: thread.");
  program::AddCount(app, "--processes", options.processes, 0, kProcessesMax,
                    "Tasks that run at once in child processes, when --run-in says so. 0: one for "
                    "each CPU.");
  program::AddCount(app, "--max-tasks-per-child", options.max_tasks_per_child, 0, 1'000'000'000,
                    "A child process is replaced after so many tasks. 0: never.");
  program::AddSize(app, "--child-memory-max", options.child_memory_max, 0, limits::kGiB * 1024,
                   "How much memory a child process may have: together with what it starts where "
                   "the worker's cgroup is delegated to it, else each process for its data. 0: no "
                   "bound.");
  program::AddDuration(
      app, "--child-cpu-time-max", options.child_cpu_time_max_ms, 0, limits::kDayMs,
      "CPU time, in whole seconds, that a task may use in a child process, and again "
      "in each program that runs for it. 0: no bound.");
  program::AddCount(app, "--prefetch", options.prefetch, -1, kPrefetchMax,
                    "Tasks fetched ahead of a free slot, so that short tasks need not wait for "
                    "the network. -1: as many as are used up in a quarter of a second, measured.");
  program::AddDuration(app, "--drain-timeout", options.drain_timeout_ms, 0, limits::kDayMs,
                       "How long running tasks may go on after SIGTERM.");
  program::AddList(
      app, "--allow-exec", options.allowed, "PATH",
      "The absolute path of a program that tasks may run; give the flag once for each. "
      "Tasks of other programs go to other workers. It bounds the program, not its "
      "arguments: who may submit may give any, and sh, env, find or tar run whatever "
      "their arguments say.");
  program::AddSize(app, "--exec-output-max", options.exec_output_max, 1,
                   limits::kPayloadBytesMaxCeiling,
                   "How much a program may write to standard output before it is killed. "
                   "The broker's --payload-max bounds results too.");
  program::AddLogFlags(app, options.log);
}

absl::Status Check(Options& options) {
  if (options.queues.empty()) options.queues = {"default"};
  absl::Status names;
  for (const std::string& queue : options.queues) names.Update(CheckName("--queue", queue));
  if (!options.name.empty()) names.Update(CheckName("--name", options.name));
  if (!names.ok()) return names;
  if (absl::Status s = program::ReadLabels(options.labels).status(); !s.ok()) return s;
  if (options.allowed.empty()) {
    return absl::InvalidArgumentError(
        "no program is allowed, so this worker could run nothing but echo: name each program that "
        "tasks may run, as in --allow-exec /usr/bin/wc --allow-exec /usr/bin/sha256sum");
  }
  std::sort(options.allowed.begin(), options.allowed.end());
  options.allowed.erase(std::unique(options.allowed.begin(), options.allowed.end()),
                        options.allowed.end());
  for (const std::string& entry : options.run_in) {
    if (!ReadRunIn(entry)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--run-in ", entry, ": write TYPE=thread, TYPE=process or TYPE=auto"));
    }
  }
  const absl::Status allowed = CheckAllowed(options.allowed);
  if (!allowed.ok()) return {allowed.code(), absl::StrCat("--allow-exec: ", allowed.message())};
  for (const std::string& entry : options.run_in) {
    const std::string type = ReadRunIn(entry)->first;
    if (type == kAllPrograms || type == kEcho) continue;
    if (std::any_of(options.allowed.begin(), options.allowed.end(),
                    [&](const std::string& path) { return *exec::TypeOf(path) == type; })) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "--run-in ", CutMiddle(entry, 80), ": this worker does not serve '", CutMiddle(type, 80),
        "': name exec, echo, or exec:PATH of a program that --allow-exec names"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FitDescriptors(Options& options, int64_t descriptors) {
  const std::map<std::string, RunIn> run_in = RunInOf(options);
  const bool in_processes = std::any_of(
      run_in.begin(), run_in.end(), [](const auto& type) { return type.second != RunIn::kThread; });
  const int64_t threads = OneForEachCpu(options.concurrency);
  const int64_t processes = in_processes ? OneForEachCpu(options.processes) : 0;
  const int64_t one =
      kOwnDescriptors + kProgramDescriptors + (in_processes ? kChildDescriptors : 0);
  const int64_t needed =
      kOwnDescriptors + threads * kProgramDescriptors + processes * kChildDescriptors;
  if (needed <= descriptors) return std::string();
  if (one > descriptors) {
    return absl::FailedPreconditionError(absl::StrCat("this process may have ", descriptors,
                                                      " descriptors, and needs ", one,
                                                      " to run one task at a time: ", kHowToRaise));
  }
  const double share = static_cast<double>(descriptors - one) / static_cast<double>(needed - one);
  options.concurrency = 1 + static_cast<int64_t>(static_cast<double>(threads - 1) * share);
  std::string line = absl::StrCat("this process may have ", descriptors, " descriptors, and needs ",
                                  needed, " to run ", threads, " tasks on threads");
  if (in_processes) {
    options.processes = 1 + static_cast<int64_t>(static_cast<double>(processes - 1) * share);
    absl::StrAppend(&line, " and ", processes, " in processes");
  }
  absl::StrAppend(&line, " at once: it runs ", options.concurrency);
  if (in_processes) absl::StrAppend(&line, " and ", options.processes);
  absl::StrAppend(&line, "; ", kHowToRaise, " for more");
  return line;
}

WorkerOptions ToWorkerOptions(const Options& options) {
  WorkerOptions worker(options.broker);
  worker.http_proxy = options.http_proxy;
  worker.queues = options.queues;
  worker.name = options.name;
  worker.labels = program::ReadLabels(options.labels).value();
  worker.concurrency = static_cast<int>(options.concurrency);
  worker.processes = static_cast<int>(options.processes);
  worker.max_tasks_per_child = options.max_tasks_per_child;
  worker.child_memory_bytes_max = options.child_memory_max;
  worker.child_cpu_time_max = std::chrono::milliseconds(options.child_cpu_time_max_ms);
  worker.run_in = RunInOf(options);
  if (options.prefetch >= 0) worker.prefetch = static_cast<int>(options.prefetch);
  worker.drain_timeout = std::chrono::milliseconds(options.drain_timeout_ms);
  worker.terminate_after = kTerminateAfter;
  worker.child_arguments = ChildArguments(options);
  return worker;
}

std::vector<std::string> ChildArguments(const Options& options) {
  std::vector<std::string> arguments = {"treadle-worker"};
  for (const std::string& path : options.allowed) {
    arguments.push_back(absl::StrCat("--allow-exec=", path));
  }
  arguments.push_back(absl::StrCat("--exec-output-max=", options.exec_output_max));
  arguments.push_back(absl::StrCat("--log-level=", options.log.level));
  arguments.push_back(absl::StrCat("--log-format=", options.log.format));
  return arguments;
}

}  // namespace treadle::worker
