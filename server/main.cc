// treadle-server: opens the store, runs the service over it, and takes it down in order.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include <spdlog/spdlog.h>

#include "proto/program/flags.h"
#include "proto/program/logging.h"
#include "proto/program/service_manager.h"
#include "proto/program/signals.h"
#include "proto/support/clock.h"
#include "proto/support/units.h"
#include "proto/wire/settings.h"
#include "server/descriptors.h"
#include "server/options.h"
#include "server/service/http_port.h"
#include "server/service/service.h"
#include "server/store/memory_store.h"
#include "server/store/rocks_store.h"
#include "server/store/write_behind.h"
#include "server/trace/span_file.h"

// Read by jemalloc, where that is linked. Without a thread of its own it gives freed memory back to
// the system only when more is allocated: after a storm the process would stay as large as it was.
// And what is larger than 8 MiB, as a batch of large payloads is, would be given back at once, and
// its pages be cleared anew for the next one.
extern "C" const char* malloc_conf;
const char* malloc_conf =
    "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0,oversize_threshold:0";

namespace treadle::server {
namespace {

constexpr int kExitCannotStart = 1;
// Of the memory store, kept for the outcomes of what it holds.
constexpr int64_t kMemoryStoreShare = 16;
constexpr int kExitStoreFailed = 3;

// What the store says when it fails leaves the memory ahead of the disk: nothing may be said any
// more, so this does not even take leave. Two threads may find it out at once.
[[noreturn]] void EndAtOnce(const absl::Status& status) {
  static std::mutex once;
  once.lock();
  spdlog::critical("the store failed, so this process ends: {}", std::string(status.message()));
  spdlog::shutdown();
  std::_Exit(kExitStoreFailed);
}

absl::StatusOr<std::unique_ptr<store::Store>> OpenStore(const Options& options, int64_t table_files,
                                                        const Clock& clock) {
  if (options.store == "memory") {
    if (options.memory_store_bytes_max <= options.broker.free_disk_bytes_min) {
      return absl::InvalidArgumentError(
          "--memory-store-max is not more than --free-disk-min, so that every submit would be "
          "refused: raise the one or lower the other");
    }
    return std::make_unique<store::MemoryStore>(clock, options.memory_store_bytes_max);
  }
  store::RocksStoreOptions rocks;
  rocks.directory = options.data_directory;
  rocks.table_files_max = table_files;
  rocks.keep_free_bytes = options.broker.free_disk_bytes_min;
  rocks.progress = [](int64_t bytes_done, int64_t bytes_total) {
    spdlog::info("reading the log: {} of {}", FormatSizeBytes(bytes_done),
                 FormatSizeBytes(bytes_total));
  };
  rocks.notice = [](const std::string& notice) { spdlog::warn("{}", notice); };
  rocks.on_failure = EndAtOnce;
  absl::StatusOr<std::unique_ptr<store::RocksStore>> opened = store::RocksStore::Open(rocks, clock);
  if (!opened.ok()) return opened.status();
  return std::make_unique<store::WriteBehind>(*std::move(opened));
}

// Whole or not at all: a script that sees the file can read it. A pipe or a device is written to,
// and not replaced.
absl::Status WritePortFile(const std::string& flag, const std::string& path, int port) {
  if (path.empty()) return absl::OkStatus();
  std::error_code ignored;
  const bool replace = !std::filesystem::is_other(path, ignored);
  const std::string written = replace ? absl::StrCat(path, ".new") : path;
  std::ofstream file(written);
  file << port << "\n";
  file.close();
  if (file && (!replace || std::rename(written.c_str(), path.c_str()) == 0)) {
    return absl::OkStatus();
  }
  const int error = errno;
  return absl::UnavailableError(absl::StrCat(flag, ": cannot write '", path, "' (",
                                             std::strerror(error),
                                             "): give a path in a folder that one may write"));
}

// Before the store is read, so that those who watch the process see that it does that.
absl::Status StartHttp(const Options& options, HttpPort& http) {
  if (absl::Status s = http.Start(); !s.ok()) return s;
  spdlog::info("http://{}/ (dashboard, /metrics, /healthz, /readyz)", http.address());
  return WritePortFile("--http-port-file", options.http_port_file, http.port());
}

absl::StatusOr<std::unique_ptr<trace::SpanFile>> OpenSpans(const Options& options) {
  if (options.trace_file.empty()) return nullptr;
  return trace::SpanFile::Open({.path = options.trace_file,
                                .bytes_max = options.trace_file_bytes_max,
                                .version = options.rpc.version,
                                .tell = [](const std::string& news) { spdlog::warn("{}", news); }});
}

int CannotStart(const absl::Status& status) {
  std::fprintf(stderr, "treadle-server: %s\n", std::string(status.message()).c_str());
  return kExitCannotStart;
}

int Run(const Options& options, program::StopSignals& signals) {
  const SystemMachineClock machine;
  ServiceClock clock(machine, [](const std::string& news) { spdlog::warn("{}", news); });
  const bool has_http = !options.http.listen.empty();
  const auto descriptors =
      ReserveDescriptors(options.rpc.connections_max, has_http ? options.http.connections_max : 0);
  if (!descriptors.ok()) return CannotStart(descriptors.status());
  std::optional<HttpPort> http;
  if (has_http) {
    http.emplace(options.http, options.rpc.version);
    if (const absl::Status s = StartHttp(options, *http); !s.ok()) return CannotStart(s);
  }
  auto store = OpenStore(options, descriptors->table_files, clock);
  if (!store.ok()) return CannotStart(store.status());
  const auto spans = OpenSpans(options);
  if (!spans.ok()) return CannotStart(spans.status());

  ServiceOptions service_options{options.broker, options.rpc};
  service_options.rpc.connections_max = descriptors->connections;
  service_options.broker.on_bug = [](const std::string& bug) { spdlog::error("{}", bug); };
  service_options.broker.on_news = [](const std::string& news) { spdlog::warn("{}", news); };
  std::optional<Service> service(std::in_place, service_options, machine, clock, **store,
                                 /*seam=*/nullptr, spans->get());
  const absl::Status started = service->Start([](int64_t rows) {
    if (rows > 0) spdlog::info("recovering: {} rows read", rows);
  });
  if (!started.ok()) return CannotStart(started);
  if (const absl::Status s = WritePortFile("--port-file", options.port_file, service->port());
      !s.ok()) {
    return CannotStart(s);
  }
  const engine::EngineTotals totals = service->broker().engine().Totals();
  spdlog::info("serving on {} (treadle-server {}, {} store{}, {} unfinished tasks in {} queues)",
               service->address(), options.rpc.version, options.store,
               options.store == "memory" ? "" : " in " + options.data_directory,
               totals.unfinished_tasks, totals.queues);

  if (http.has_value()) http->Serves(*service, service_options, **store, clock);
  program::NotifyReady();
  std::promise<void> told;
  signals.OnStop([&](int) {
    program::NotifyStopping();
    spdlog::info("stopping: no new calls; what was accepted is made durable");
    if (http.has_value()) http->Stops();
    service->Stop();
    told.set_value();
  });
  if (const absl::Status s = service->Run(); !s.ok()) EndAtOnce(s);
  told.get_future().wait();
  http.reset();
  service.reset();
  spdlog::info("stopped");
  return 0;
}

int Main(int argc, char** argv) {
  program::StopSignals signals;
  wire::QuietGrpc();
  wire::LookForNoDeadlocks();
  Options options;
  const auto flags = MakeFlags(options);
  if (const std::optional<int> code = program::Parse(*flags, argc, argv)) return *code;
  if (int64_t& keep = options.broker.free_disk_bytes_min; options.store == "memory" && keep == 0) {
    keep = std::min(broker::BrokerOptions().free_disk_bytes_min,
                    options.memory_store_bytes_max / kMemoryStoreShare);
  }
  options.broker.inbox_bytes_max = options.rpc.incoming_bytes_max;
  options.rpc.version = program::Version();
  const program::Logging logging(options.log);
  return Run(options, signals);
}

}  // namespace
}  // namespace treadle::server

int main(int argc, char** argv) { return treadle::server::Main(argc, argv); }
