#include "server/options.h"

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::server {
namespace {

constexpr char kExamples[] = R"(Examples:
  treadle-server
      Serves 127.0.0.1:7733 with its data in ./treadle-data.
  treadle-server --listen 0.0.0.0:7733 --data-dir /var/lib/treadle
      Serves every interface. There is no authentication: only within a network that you trust.
  treadle-server --store memory --listen 127.0.0.1:0 --port-file /tmp/port
      For tests: keeps nothing, and writes the port that it was given into a file.
  treadle-server --config /etc/treadle/server.conf
      Any of the flags, one 'name = value' a line.

SIGTERM, SIGINT and SIGHUP end it in order. Exit codes: 0 after that, 1 could not start, 2 wrong
flags, 3 the store failed.)";

using namespace limits;  // NOLINT: names of bounds only

void AddPlaceFlags(CLI::App& app, Options& options) {
  program::AddAddress(app, "--listen", options.rpc.listen, /*port_min=*/0,
                      "Where to serve gRPC. Port 0 takes any free one.");
  program::AddText(app, "--port-file", options.port_file, "FILE",
                   "Write the port here once it is served, for scripts.");
  program::AddAddressOrNone(app, "--http-listen", options.http.listen, /*port_min=*/0,
                            "Where to serve the dashboard, the API as JSON, /metrics, /healthz and "
                            "/readyz over HTTP. Port 0 takes any free one; empty: not at all.");
  program::AddSwitch(app, "--dashboard-actions", options.http.dashboard_actions,
                     "Let the dashboard, and whoever else calls the API over HTTP, change "
                     "something; without it both only show.");
  program::AddText(app, "--http-port-file", options.http_port_file, "FILE",
                   "Write the HTTP port here once it is served, for scripts.");
  program::AddChoice(app, "--store", options.store, {"memory", "rocksdb"},
                     "Where tasks are kept. 'memory' forgets everything when the process ends.");
  program::AddText(app, "--data-dir", options.data_directory, "FOLDER",
                   "RocksDB's folder, made if missing. One server at a time.");
}

void AddBoundFlags(CLI::App& app, Options& options) {
  engine::EngineOptions& engine = options.broker.engine;
  program::AddSwitch(app, "--auto-create-queues", engine.auto_create_queues,
                     "Create a queue when a task is first submitted to it, as FIFO with the bounds "
                     "below.");
  program::AddCount(app, "--queue-max-tasks", engine.queue_max_tasks, 1, kQueueTasksMax,
                    "Tasks that may wait in a queue created without a bound of its own.");
  program::AddSize(app, "--queue-max-bytes", engine.queue_max_bytes, 1, kQueueBytesMax,
                   "Payload bytes that may wait in a queue created without a bound of its own.");
  engine::DeadLetterPolicy& letters = engine.dead_letters;
  program::AddCount(app, "--dead-letters-max", letters.max_tasks, 0, limits::kDeadLettersMax,
                    "Tasks that failed and are kept by a queue created without a bound of its "
                    "own. 0: none.");
  program::AddSize(app, "--dead-letter-bytes-max", letters.max_bytes, 1, kQueueBytesMax,
                   "What these may take on disk, for each such queue; the oldest give way.");
  program::AddDuration(app, "--dead-letter-ttl", letters.ttl_ms, 1, limits::kAheadMsMax,
                       "For how long such a queue keeps each of them.");
  program::AddCount(app, "--queues-max", engine.queues_max, 1, 1'000'000, "Queues in all.");
  program::AddCount(app, "--unfinished-tasks-max", engine.unfinished_tasks_max, 1, 1'000'000'000,
                    "Unfinished tasks in all queues; each takes some 300 bytes of memory.");
  program::AddSize(app, "--payload-max", options.rpc.payload_bytes_max, 1, kPayloadBytesMaxCeiling,
                   "The largest payload and the largest result.");
  program::AddCount(app, "--connections-max", options.rpc.connections_max, 1, 1'000'000,
                    "Clients' connections. Fewer when the limit on open files asks for it; at the "
                    "bound those without an open call give way to new ones.");
  program::AddCount(app, "--http-connections", options.http.connections_max, 1, 10'000,
                    "Connections to the HTTP port, each a thread. At the bound those that rest "
                    "give way to new ones.");
  program::AddCount(app, "--counted-queues", engine.counted_queues_max, 0, 100'000,
                    "Queues that /metrics counts one by one; it counts the others together.");
  program::AddCount(app, "--sessions-max", engine.sessions_max, 1, 10'000'000,
                    "Clients' sessions, those included that may still be resumed.");
  program::AddSize(app, "--worker-names-max", engine.takers_bytes_max, kMiB, 64 * kGiB,
                   "Memory for the names of queues and types that workers and Lease calls wait "
                   "for.");
  program::AddCount(app, "--quarantine-after", engine.quarantine_after, 0, 1'000'000,
                    "Attempts of a worker that fail one after the other, while others' succeed, "
                    "until it gets no more tasks; 0: it always does.");
  program::AddSize(app, "--incoming-max", options.rpc.incoming_bytes_max, 64 * kMiB, 1024 * kGiB,
                   "Memory for what clients send, until the broker has taken it, and as much "
                   "again until it has stored it.");
  program::AddSize(app, "--outgoing-max", options.rpc.outgoing_bytes_sum_max, 64 * kMiB,
                   1024 * kGiB, "Memory for what clients have asked for and not read yet.");
  program::AddCount(
      app, "--calls-max", options.rpc.calls_max, 1, 10'000'000,
      "Open calls, streams included, from their headers on, and half as many again of "
      "connections that have few; each takes some 20 KiB of memory, and up to 25 KiB more "
      "with the largest headers.");
  program::AddCount(app, "--calls-per-client", options.rpc.calls_per_client_max, 1, 1'000'000,
                    "Open calls of one client's connection. Until --calls-max shows its effect a "
                    "flood of them on many connections takes some 20 KiB of memory for each.");
  program::AddCount(app, "--streams-per-client", options.rpc.streams_per_client_max, 1, 100'000,
                    "Streams that one client's connection may have open.");
  program::AddSize(app, "--payload-cache", options.broker.payload_cache_bytes_max, 0, 64 * kGiB,
                   "Memory for payloads that wait to be dispatched; others are read back.");
  program::AddSize(app, "--task-output-max", options.broker.task_output_bytes_max,
                   limits::kTaskOutputBytesMin, limits::kTaskOutputBytesMax,
                   "What is kept of what one task says: beyond it earlier attempts' output goes, "
                   "then no more is taken.");
  program::AddSize(
      app, "--free-disk-min", options.broker.free_disk_bytes_min, 0, 1024 * kGiB,
      "Refuse submits while the disk, or the memory store, has no more free than that, "
      "beside what is kept for the store's own work and for outcomes.");
  program::AddSize(app, "--memory-store-max", options.memory_store_bytes_max, kMiB, 1024 * kGiB,
                   "What the memory store may take: waiting tasks and kept outcomes. More than "
                   "--free-disk-min.");
}

void AddTraceFlags(CLI::App& app, Options& options) {
  program::AddText(
      app, "--trace-file", options.trace_file, "FILE",
      "Append the spans of tasks whose W3C traceparent is sampled to this file, as lines "
      "of OTLP JSON.");
  program::AddSize(app, "--trace-file-max", options.trace_file_bytes_max, kMiB, 1024 * kGiB,
                   "Before it grows beyond that it is renamed to FILE.1, in the place of an older "
                   "one.");
}

void AddTimeFlags(CLI::App& app, Options& options) {
  engine::EngineOptions& engine = options.broker.engine;
  program::AddDuration(app, "--lease-time", engine.lease_ms, kSecondMs, kLeaseMsMax,
                       "An attached worker that is not heard from for so long has lost its tasks.");
  program::AddDuration(app, "--resume-window", engine.resume_window_ms, kSecondMs, 7 * kDayMs,
                       "How long a client that lost its connection can go on with its session.");
  program::AddDuration(app, "--request-key-window", engine.request_key_window_ms, kSecondMs,
                       kAheadMsMax, "How long a request key answers with its first task.");
}

}  // namespace

std::unique_ptr<CLI::App> MakeFlags(Options& options) {
  auto app = program::NewApp("treadle-server",
                             "The broker of Treadle, a task queue: takes tasks from clients, gives "
                             "them to workers, and keeps what became of them.",
                             kExamples);
  AddPlaceFlags(*app, options);
  AddBoundFlags(*app, options);
  AddTimeFlags(*app, options);
  AddTraceFlags(*app, options);
  program::AddLogFlags(*app, options.log);
  program::AddConfigFlag(*app);
  return app;
}

}  // namespace treadle::server
