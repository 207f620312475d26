#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <spdlog/spdlog.h>

#include "proto/program/flags.h"
#include "proto/program/logging.h"
#include "proto/program/service_manager.h"
#include "proto/program/signals.h"
#include "proto/support/descriptors.h"
#include "proto/wire/settings.h"
#include "treadle/guard.h"
#include "treadle/worker.h"
#include "worker/exec/exec_handler.h"
#include "worker/exec/orphans.h"
#include "worker/options.h"

// treadle-worker: the stock worker, which runs programs that its operator allows.

namespace {

using treadle::worker::Guard;
namespace program = treadle::program;
namespace worker = treadle::worker;

constexpr char kDescription[] =
    R"(Takes tasks from a Treadle broker and runs them. It serves these task types:
  exec:PATH  for each program that --allow-exec names; the task's payload is
             the program's standard input, its standard output is the result
  echo       returns its payload, to try the way there and back)";

constexpr char kExamples[] = R"(Examples:
  treadle-worker --allow-exec /usr/bin/wc --allow-exec /usr/bin/sha256sum
  treadle-worker --broker 10.0.0.7:7733 --queue video --allow-exec /bin/ffmpeg
  treadle-worker --config /etc/treadle/worker.conf

SIGTERM, SIGINT and SIGHUP drain: nothing new is taken, running tasks finish within --drain-timeout,
the rest is handed back to the broker without costing an attempt. A second signal ends it at once.
Whatever ends it, kill -9 too, ends the programs that it runs and what these have started.

Exit codes: 0 after a drain, 1 when the service failed, 2 for wrong flags, 128 and its number after
a second signal.
)";

void LogLine(treadle::LogLevel level, std::string_view line) {
  spdlog::log(level == treadle::LogLevel::kInfo ? spdlog::level::info : spdlog::level::warn, "{}",
              line);
}

void AddHandlers(treadle::Worker& serving, const worker::Options& options,
                 const std::shared_ptr<Guard>& guard) {
  worker::ExecOptions exec;
  exec.guard = guard;
  exec.log = LogLine;
  exec.output_bytes_max = options.exec_output_max;
  worker::HandlePrograms(serving, options.allowed, exec);
}

// Without one, programs that this process leaves behind end only as far as the system sees to it.
std::shared_ptr<Guard> OrWarn(const absl::StatusOr<std::shared_ptr<Guard>>& guard) {
  if (guard.ok()) return *guard;
  spdlog::warn("{}: when this worker is killed, what its programs have started may live on",
               std::string(guard.status().message()));
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  treadle::wire::LookForNoDeadlocks();
  const absl::StatusOr<std::shared_ptr<Guard>> guard = treadle::StartGuard();
  program::StopSignals signals;
  // The system must tell how programs ended, whatever our parent wanted of its own children.
  std::signal(SIGCHLD, SIG_DFL);
  const treadle::DescriptorLimit descriptors = treadle::RaiseDescriptorLimit();
  worker::Options options;
  const auto app = program::NewApp("treadle-worker", kDescription, kExamples);
  program::AddConfigFlag(*app);
  worker::AddFlags(*app, options);
  if (const std::optional<int> code = program::Parse(*app, argc, argv)) return *code;
  std::string fewer_slots;
  // A child process was given what its parent has checked.
  if (!treadle::Worker::InChild()) {
    if (const absl::Status status = worker::Check(options); !status.ok()) {
      std::fprintf(stderr, "treadle-worker: %s\n", std::string(status.message()).c_str());
      return program::kExitUsage;
    }
    absl::StatusOr<std::string> fitted = worker::FitDescriptors(options, descriptors.now);
    if (!fitted.ok()) {
      std::fprintf(stderr, "treadle-worker: %s\n", std::string(fitted.status().message()).c_str());
      return EXIT_FAILURE;
    }
    fewer_slots = *std::move(fitted);
  }

  auto logging = std::make_unique<program::Logging>(options.log);
  if (!fewer_slots.empty()) spdlog::warn("{}", fewer_slots);
  treadle::WorkerOptions worker_options = worker::ToWorkerOptions(options);
  worker_options.guard = OrWarn(guard);
  worker_options.log = LogLine;
  // Shared with the signal's callback, which may come when Run has just returned.
  const auto serving = std::make_shared<treadle::Worker>(worker_options);
  AddHandlers(*serving, options, worker_options.guard);
  signals.OnStop([serving](int) {
    program::NotifyStopping();
    serving->Stop();
  });
  absl::Status status;
  // It waits for a broker that is not there: a boot does not.
  if (!treadle::Worker::InChild()) program::NotifyReady();
  worker::WithoutOrphans([&] { status = serving->Run(); });
  if (!status.ok()) spdlog::error("{}", status.ToString());
  // Writes what waits to be logged.
  logging.reset();
  // Handlers may still run: nothing that they use may be taken down under them.
  if (absl::IsAborted(status)) std::_Exit(EXIT_FAILURE);
  return status.ok() ? EXIT_SUCCESS : EXIT_FAILURE;
}
