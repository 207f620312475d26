#include <algorithm>
#include <csignal>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/context.h"

#include "proto/program/flags.h"
#include "proto/support/address.h"
#include "proto/support/clock.h"
#include "proto/support/limits.h"
#include "server/service/service.h"
#include "server/store/memory_store.h"
#include "treadle/guard.h"
#include "treadle/worker.h"
#include "worker/exec/exec_handler.h"

// "dev": a broker and a worker in this process, for the first five minutes. In memory alone:
// RocksDB would cost every start of treadle 6 ms, and this costs about 1 ms.

namespace treadle::cli {
namespace {

constexpr int64_t kStoreBytesMax = limits::kGiB;
constexpr int64_t kFreeBytesMin = 64 * limits::kMiB;

// Harmless ones: whatever their arguments, they start nothing else. Those that the machine has.
constexpr const char* kPrograms[] = {
    "/usr/bin/base64", "/usr/bin/cat",  "/usr/bin/cut",       "/usr/bin/date",  "/usr/bin/echo",
    "/usr/bin/false",  "/usr/bin/head", "/usr/bin/md5sum",    "/usr/bin/nl",    "/usr/bin/printf",
    "/usr/bin/rev",    "/usr/bin/seq",  "/usr/bin/sha256sum", "/usr/bin/sleep", "/usr/bin/tac",
    "/usr/bin/tail",   "/usr/bin/tr",   "/usr/bin/true",      "/usr/bin/uname", "/usr/bin/uniq",
    "/usr/bin/wc"};

std::vector<std::string> Programs(const std::vector<std::string>& allowed) {
  std::vector<std::string> programs = allowed;
  for (const char* const path : kPrograms) {
    if (::access(path, X_OK) == 0) programs.emplace_back(path);
  }
  std::sort(programs.begin(), programs.end());
  programs.erase(std::unique(programs.begin(), programs.end()), programs.end());
  return programs;
}

// Who can reach the port can run the programs.
absl::Status CheckLocal(const std::string& broker) {
  const absl::StatusOr<Address> address = ParseAddress(broker, /*port_min=*/1);
  if (!address.ok()) return address.status();
  const bool local =
      address->host == "127.0.0.1" || address->host == "::1" || address->host == "localhost";
  if (local) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("dev serves this machine alone, and ", broker,
                   " is not on it: give --broker 127.0.0.1:PORT, or run treadle-server"));
}

std::string Welcome(const Context& context, const std::vector<std::string>& programs) {
  const std::string broker = context.BrokerFlag();
  return absl::StrCat("A broker and a worker are running at ", context.broker,
                      ", with everything in memory.\n"
                      "Ctrl-C ends them. In another terminal:\n\n"
                      "    treadle submit",
                      broker,
                      " --wait -- /usr/bin/uname -a\n"
                      "    treadle map",
                      broker,
                      " -- /usr/bin/echo ::: one two three\n"
                      "    treadle task list",
                      broker,
                      "\n"
                      "    treadle queue list",
                      broker,
                      "\n\n"
                      "The worker runs ",
                      absl::StrJoin(programs, " "),
                      ".\n"
                      "--allow-exec PATH lets it run another program.\n");
}

WorkerOptions WorkerOf(const Context& context, std::shared_ptr<worker::Guard> guard, Log log) {
  WorkerOptions options(context.broker);
  options.name = "dev";
  options.drain_timeout = options.stop_grace;
  options.guard = std::move(guard);
  options.log = std::move(log);
  return options;
}

// Ends with the worker: at a signal, or when it cannot run.
absl::Status Serve(Context& context, const std::vector<std::string>& programs,
                   std::shared_ptr<worker::Guard> guard, server::Service& service) {
  std::mutex one_at_a_time;
  const Log log = [&](LogLevel level, std::string_view line) {
    if (level == LogLevel::kInfo) return;
    std::lock_guard lock(one_at_a_time);
    context.terminal.Complain(std::string(line));
  };
  Worker worker(WorkerOf(context, guard, log));
  worker::ExecOptions exec;
  exec.guard = std::move(guard);
  exec.log = log;
  worker::HandlePrograms(worker, programs, exec);
  absl::Status served;
  std::thread serving([&] {
    served = service.Run();
    worker.Stop();
  });
  absl::Status worked;
  {
    const Interrupt::Scope stop(context.interrupt, [&worker] { worker.Stop(); });
    worked = worker.Run();
  }
  service.Stop();
  serving.join();
  worked.Update(served);
  return worked;
}

ExitCode RunDev(Context& context, const std::vector<std::string>& allowed) {
  const std::vector<std::string> programs = Programs(allowed);
  absl::Status status = worker::CheckAllowed(programs);
  if (!status.ok()) status = {status.code(), absl::StrCat("--allow-exec: ", status.message())};
  status.Update(CheckLocal(context.broker));
  if (!status.ok()) return context.Fail(status);
  // As treadle-worker does: before there are more threads, and gRPC.
  absl::StatusOr<std::shared_ptr<worker::Guard>> guard = StartGuard();
  if (!guard.ok()) return context.Fail(guard.status());
  std::signal(SIGCHLD, SIG_DFL);
  const SystemMachineClock machine;
  ServiceClock clock(machine);
  store::MemoryStore store(clock, kStoreBytesMax);
  server::ServiceOptions options;
  options.broker.free_disk_bytes_min = kFreeBytesMin;
  options.rpc.listen = context.broker;
  options.rpc.version = program::Version();
  server::Service service(options, machine, clock, store);
  status = service.Start();
  if (!status.ok()) return context.Fail(status);
  const ExitCode written = context.Write(Welcome(context, programs));
  if (written != ExitCode::kOk) return written;
  status = Serve(context, programs, *std::move(guard), service);
  return status.ok() ? ExitCode::kOk : context.Fail(status);
}

}  // namespace

void AddDevCommand(CLI::App& root, Command& chosen) {
  auto allowed = std::make_shared<std::vector<std::string>>();
  CLI::App& dev = AddSubcommand(
      root, "dev", "Runs a broker and a worker in one process, to try things out.",
      "It listens at --broker's address, for this machine alone, and needs nothing else to be\n"
      "started. What it keeps is gone with it: treadle-server and treadle-worker keep theirs.\n"
      "Ctrl-C ends it.\n\n"
      "Examples:\n"
      "  treadle dev\n"
      "  treadle --broker 127.0.0.1:8733 dev --allow-exec /usr/bin/ffmpeg\n");
  program::AddList(dev, "--allow-exec", *allowed, "PATH",
                   "The absolute path of one more program that tasks may run; give the flag once "
                   "for each. Everybody on this machine can run it so, as you.");
  dev.callback([allowed, &chosen] {
    chosen = [allowed](Context& context) { return RunDev(context, *allowed); };
  });
}

}  // namespace treadle::cli
