#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "client/exec_task.h"
#include <spdlog/spdlog.h>

#include "proto/program/flags.h"
#include "proto/program/logging.h"
#include "proto/program/signals.h"
#include "proto/support/limits.h"
#include "worker/exec/exec_handler.h"
#include "worker/worker.h"

// treadle-worker: the stock worker, which runs programs that its operator allows.

namespace {

using treadle::Bytes;
using treadle::Payload;
using treadle::TaskContext;
namespace limits = treadle::limits;
namespace program = treadle::program;

constexpr char kDescription[] =
    R"(treadle-worker: takes tasks from a Treadle broker and runs them. It serves these task types:
  exec:PATH  for each program that --allow-exec names; the task's payload is the program's standard
             input, its standard output is the result
  echo       returns its payload, to try the way there and back)";

constexpr char kExamples[] = R"(Examples:
  treadle-worker --allow-exec /usr/bin/wc --allow-exec /usr/bin/sha256sum
  treadle-worker --broker broker.example:7733 --queue video --allow-exec /usr/bin/ffmpeg
  treadle-worker --config /etc/treadle/worker.conf

SIGTERM and SIGINT drain: nothing new is taken, running tasks finish within --drain-timeout, the
rest is handed back to the broker without costing an attempt. A second signal ends it at once.

Exit codes: 0 after a drain, 1 when the service failed, 2 for wrong flags.
)";

constexpr char kNothingAllowed[] =
    "treadle-worker: no program is allowed, so this worker could run nothing: name each program "
    "that tasks may run, as in --allow-exec /usr/bin/wc --allow-exec /usr/bin/sha256sum\n";

// In --run-in.
constexpr std::string_view kAllPrograms = "exec";
// A worker tells the broker of so many types, one of which is echo.
constexpr size_t kProgramsMax = limits::kPoolTypesMax - 1;

struct Options {
  std::string broker = limits::kDefaultAddress;
  std::vector<std::string> queues;
  std::string name;
  int64_t concurrency = 0;
  int64_t processes = 0;
  std::vector<std::string> run_in;  // "TYPE=POOL"
  int64_t max_tasks_per_child = 0;
  int64_t child_memory_max = 0;
  int64_t child_cpu_time_max_ms = 0;
  int64_t prefetch = -1;
  int64_t drain_timeout_ms = 30 * limits::kSecondMs;
  std::vector<std::string> allowed;
  int64_t exec_output_max = limits::kPayloadBytesMax;
  program::LogOptions log;
};

void AddFlags(CLI::App& app, Options& options) {
  program::AddText(app, "--broker", options.broker, "HOST:PORT", "Where the broker listens.");
  program::AddList(
      app, "--queue", options.queues, "NAME",
      "A queue to take tasks from; give the flag once for each. It need not exist yet. "
      "Default: default.");
  program::AddText(app, "--name", options.name, "NAME",
                   "How the operator's tools show this worker. Default: host and process id.");
  program::AddCount(app, "--concurrency", options.concurrency, 0, 10'000,
                    "Tasks that run at once on threads. 0: one for each CPU.");
  program::AddList(app, "--run-in", options.run_in, "TYPE=POOL",
                   "Where tasks of a type run: thread, process, or auto, which measures them; give "
                   "the flag once for each. exec stands for all programs, exec:PATH for one. "
                   "Default: thread.");
  program::AddCount(app, "--processes", options.processes, 0, 1'000,
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
  program::AddCount(app, "--prefetch", options.prefetch, -1, 90'000,
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

// None: it is not written as "TYPE=POOL".
std::optional<std::pair<std::string, treadle::RunIn>> ReadRunIn(std::string_view entry) {
  const size_t sign = entry.rfind('=');
  if (sign == std::string_view::npos || sign == 0) return std::nullopt;
  const std::optional<treadle::RunIn> run_in = treadle::RunInFrom(entry.substr(sign + 1));
  if (!run_in || *run_in == treadle::RunIn::kCoroutine) return std::nullopt;
  return std::pair(std::string(entry.substr(0, sign)), *run_in);
}

// 0: go on. Otherwise the code to exit with.
int CheckFlags(Options& options) {
  if (options.queues.empty()) options.queues = {"default"};
  if (options.allowed.empty()) {
    std::fputs(kNothingAllowed, stderr);
    return program::kExitUsage;
  }
  if (options.allowed.size() > kProgramsMax) {
    std::fprintf(
        stderr,
        "treadle-worker: --allow-exec names %zu programs, and a worker may have %zu: divide "
        "them between several workers\n",
        options.allowed.size(), kProgramsMax);
    return program::kExitUsage;
  }
  for (const std::string& entry : options.run_in) {
    if (!ReadRunIn(entry)) {
      std::fprintf(stderr,
                   "treadle-worker: --run-in %s: write TYPE=thread, TYPE=process or TYPE=auto\n",
                   entry.c_str());
      return program::kExitUsage;
    }
  }
  std::sort(options.allowed.begin(), options.allowed.end());
  options.allowed.erase(std::unique(options.allowed.begin(), options.allowed.end()),
                        options.allowed.end());
  const absl::Status allowed = treadle::worker::CheckAllowed(options.allowed);
  if (!allowed.ok()) {
    std::fprintf(stderr, "treadle-worker: --allow-exec: %s\n",
                 std::string(allowed.message()).c_str());
    return program::kExitUsage;
  }
  return 0;
}

void LogLine(treadle::LogLevel level, std::string_view line) {
  spdlog::log(level == treadle::LogLevel::kInfo ? spdlog::level::info : spdlog::level::warn, "{}",
              line);
}

// What is said of one program wins over what is said of all.
std::map<std::string, treadle::RunIn> RunInOf(const Options& options) {
  std::map<std::string, treadle::RunIn> run_in;
  std::optional<treadle::RunIn> programs;
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
      run_in.emplace(*treadle::ExecType(path), *programs);
    }
  }
  return run_in;
}

void AddHandlers(treadle::Worker& worker, const Options& options) {
  worker.HandleRaw("echo", [](TaskContext&, Payload payload) { return payload; });
  for (const std::string& path : options.allowed) {
    treadle::worker::ExecOptions exec;
    exec.program = path;
    exec.output_bytes_max = options.exec_output_max;
    worker.HandleRaw(
        *treadle::ExecType(path),
        [run = treadle::worker::ExecHandler(std::move(exec))](TaskContext& context, Bytes input) {
          return run(context, std::move(input.data));
        });
  }
}

treadle::WorkerOptions WorkerOptionsOf(const Options& options) {
  treadle::WorkerOptions worker(options.broker);
  worker.queues = options.queues;
  worker.name = options.name;
  worker.concurrency = static_cast<int>(options.concurrency);
  worker.processes = static_cast<int>(options.processes);
  worker.max_tasks_per_child = options.max_tasks_per_child;
  worker.child_memory_bytes_max = options.child_memory_max;
  worker.child_cpu_time_max = std::chrono::milliseconds(options.child_cpu_time_max_ms);
  worker.run_in = RunInOf(options);
  if (options.prefetch >= 0) worker.prefetch = static_cast<int>(options.prefetch);
  worker.drain_timeout = std::chrono::milliseconds(options.drain_timeout_ms);
  worker.log = LogLine;
  return worker;
}

}  // namespace

int main(int argc, char** argv) {
  program::StopSignals signals;
  // The system must tell how programs ended, whatever our parent wanted of its own children.
  std::signal(SIGCHLD, SIG_DFL);
  Options options;
  const auto app = program::NewApp("treadle-worker", kDescription, kExamples);
  program::AddConfigFlag(*app);
  AddFlags(*app, options);
  if (const std::optional<int> code = program::Parse(*app, argc, argv)) return *code;
  if (const int code = CheckFlags(options)) return code;

  auto logging = std::make_unique<program::Logging>(options.log);
  // Shared with the signal's callback, which may come when Run has just returned.
  const auto worker = std::make_shared<treadle::Worker>(WorkerOptionsOf(options));
  AddHandlers(*worker, options);
  signals.OnStop([worker](int) { worker->Stop(); });
  const absl::Status status = worker->Run();
  if (!status.ok()) spdlog::error("{}", status.ToString());
  // Writes what waits to be logged.
  logging.reset();
  // Handlers may still run: nothing that they use may be taken down under them.
  if (absl::IsAborted(status)) std::_Exit(EXIT_FAILURE);
  return status.ok() ? EXIT_SUCCESS : EXIT_FAILURE;
}
