#include "server/http/metrics.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/text_serializer.h>

#include "proto/support/limits.h"
#include "proto/support/process.h"
#include "server/engine/census.h"
#include "server/http/exposition.h"
#include "server/http/health.h"

namespace treadle::http {
namespace {

using engine::Census;
using engine::QueueCensus;

constexpr double kMsPerSecond = limits::kSecondMs;
// Queues, types and workers that one visit counts: a fraction of a millisecond of the broker's.
constexpr int64_t kCountedAtOnce = 500;
constexpr std::chrono::seconds kScrapeWait{10};

constexpr std::array<std::string_view, broker::kLanes> kLaneNames = {"workers", "questions",
                                                                     "clients"};

// The broker's inside, as far as a scrape shows it.
struct Inside {
  engine::EngineTotals totals;
  broker::Figures figures;
  Census census;
};

// Null: the loop does not answer.
std::shared_ptr<const Inside> Look(Subject& subject, Visits& visits) {
  const auto inside = std::make_shared<Inside>();
  broker::Intake& broker = subject.broker();
  const bool told = visits.Make(broker, [inside](const broker::View& view) {
    inside->totals = view.engine.Totals();
    inside->figures = view.Figures();
  });
  if (!told) return nullptr;
  while (inside->census.next != Census::Next::kNothing) {
    const bool counted = visits.Make(broker, [inside](const broker::View& view) {
      view.engine.Continue(inside->census, kCountedAtOnce, view.now_ms);
    });
    if (!counted) return nullptr;
  }
  return inside;
}

using Count = int64_t (*)(const QueueCensus&);

std::string_view NameOf(const QueueCensus& queue) {
  return queue.name == nullptr ? std::string_view(Census::kOthers) : *queue.name;
}

template <typename ValueOf>
void AddEach(Family& family, const std::vector<QueueCensus>& queues, const ValueOf& value) {
  for (const QueueCensus& queue : queues) {
    family.Add({{"queue", NameOf(queue)}}, value(queue));
  }
}

void AddStates(Family& family, const std::vector<QueueCensus>& queues,
               std::initializer_list<std::pair<std::string_view, Count>> states) {
  for (const QueueCensus& queue : queues) {
    for (const auto& [state, value] : states) {
      family.Add({{"queue", NameOf(queue)}, {"state", state}}, value(queue));
    }
  }
}

void AddTimes(Family& family, const std::vector<QueueCensus>& queues,
              engine::TimeHistogram engine::QueueTimes::*times) {
  for (const QueueCensus& queue : queues) {
    if ((queue.times.*times).count() == 0) continue;
    family.Add({{"queue", NameOf(queue)}}, queue.times.*times, kMsPerSecond);
  }
}

void AddQueues(Exposition& all, const std::vector<QueueCensus>& queues) {
  AddStates(all.Gauges("treadle_queue_tasks", "Unfinished tasks, by state."), queues,
            {{"scheduled", [](const QueueCensus& q) { return q.scheduled; }},
             {"queued", [](const QueueCensus& q) { return q.queued; }},
             {"running", [](const QueueCensus& q) { return q.running; }}});
  AddEach(all.Gauges("treadle_queue_tasks_max", "Tasks that may wait: the queue's max_tasks."),
          queues, [](const QueueCensus& q) { return q.tasks_max; });
  AddEach(all.Gauges("treadle_queue_waiting_bytes", "Payload bytes of waiting tasks."), queues,
          [](const QueueCensus& q) { return q.waiting_bytes; });
  AddEach(all.Gauges("treadle_queue_waiting_bytes_max",
                     "Payload bytes that may wait: the queue's max_bytes."),
          queues, [](const QueueCensus& q) { return q.bytes_max; });
  AddEach(all.Gauges("treadle_queue_waiting_submits", "Submits that wait for room in the queue."),
          queues, [](const QueueCensus& q) { return q.waiting_submits; });
  AddEach(all.Gauges("treadle_queue_oldest_age_seconds",
                     "For how long the oldest runnable task has been runnable; 0 when none is."),
          queues,
          [](const QueueCensus& q) { return static_cast<double>(q.oldest_age_ms) / kMsPerSecond; });
  AddEach(all.Gauges("treadle_queue_paused", "1 while the queue is paused; of (others), how many."),
          queues, [](const QueueCensus& q) { return q.paused_queues; });
  AddEach(all.Gauges("treadle_queue_unserved_types",
                     "Task types with runnable tasks that no worker has offered to take for a "
                     "minute."),
          queues, [](const QueueCensus& q) { return q.unserved_types; });
  AddEach(all.Gauges("treadle_queue_dead_letters", "Tasks that failed and are kept."), queues,
          [](const QueueCensus& q) { return q.dead_letters; });
  AddEach(all.Gauges("treadle_queue_dead_letter_bytes", "What these take."), queues,
          [](const QueueCensus& q) { return q.dead_letter_bytes; });

  AddEach(all.Counters("treadle_tasks_submitted_total", "Tasks accepted."), queues,
          [](const QueueCensus& q) { return q.counts.submitted; });
  AddStates(all.Counters("treadle_tasks_finished_total", "Tasks that have ended, by outcome."),
            queues,
            {{"succeeded", [](const QueueCensus& q) { return q.counts.succeeded; }},
             {"failed", [](const QueueCensus& q) { return q.counts.failed; }},
             {"cancelled", [](const QueueCensus& q) { return q.counts.cancelled; }},
             {"expired", [](const QueueCensus& q) { return q.counts.expired; }}});
  AddEach(all.Counters("treadle_task_retries_total",
                       "Attempts that failed and are followed by another one."),
          queues, [](const QueueCensus& q) { return q.counts.retried; });
  AddTimes(all.Histograms("treadle_task_queueing_seconds",
                          "From when a task was runnable until it was leased, for each attempt."),
           queues, &engine::QueueTimes::queueing);
  AddTimes(all.Histograms("treadle_task_running_seconds",
                          "From an attempt's start, or its lease when no start was told, to its "
                          "end."),
           queues, &engine::QueueTimes::running);
}

void AddTotals(Exposition& all, const Inside& inside, const engine::EngineOptions& options) {
  const engine::EngineTotals& totals = inside.totals;
  all.Gauge("treadle_queues", "Queues.", totals.queues);
  all.Gauge("treadle_queues_max", "Queues that may be: --queues-max.", options.queues_max);
  all.Gauge("treadle_other_queues", "Queues that are counted together, as (others).",
            inside.census.others.queues);
  all.Gauge("treadle_unfinished_tasks", "Unfinished tasks of all queues.", totals.unfinished_tasks);
  all.Gauge("treadle_unfinished_tasks_max", "Unfinished tasks that may be: --unfinished-tasks-max.",
            options.unfinished_tasks_max);
  all.Gauge("treadle_sessions", "Clients' sessions, those included that may still be resumed.",
            totals.sessions);
  all.Gauge("treadle_sessions_max", "Sessions that may be: --sessions-max.", options.sessions_max);
  all.Gauge("treadle_awaited_tasks", "Unfinished tasks that unary calls await or watch.",
            inside.figures.holdings.waits);
  const engine::WorkerCensus& workers = inside.census.workers;
  Family& states = all.Gauges("treadle_workers",
                              "Attached workers: connected, draining (connected, and they take no "
                              "more), quarantined (connected, and they get no more) or away "
                              "(without a connection, and still with leases).");
  states.Add({{"state", "connected"}}, workers.connected - workers.draining - workers.quarantined);
  states.Add({{"state", "draining"}}, workers.draining);
  states.Add({{"state", "quarantined"}}, workers.quarantined);
  states.Add({{"state", "away"}}, workers.away);
  Family& slots = all.Gauges("treadle_worker_slots",
                             "Slots of connected workers: free, and leased to tasks, those that "
                             "are prefetched among them.");
  slots.Add({{"state", "free"}}, workers.free_slots);
  slots.Add({{"state", "leased"}}, workers.leased_tasks);
}

void AddLoop(Exposition& all, const broker::Figures& figures,
             const broker::BrokerOptions& options) {
  all.Histograms("treadle_turn_requests",
                 "Requests that one turn of the broker took, each task of a run for one.")
      .Add({}, figures.turns.requests);
  all.Histograms("treadle_turn_batch_bytes", "Bytes of rows that one turn stored.")
      .Add({}, figures.turns.batch_bytes);
  all.Histograms("treadle_sync_seconds",
                 "From a turn's append until the disk had it, where somebody waited for that.")
      .Add({}, figures.turns.sync_ms, kMsPerSecond);
  all.Counter("treadle_rows_changed_total", "Rows that were written or deleted.",
              figures.turns.rows);
  all.Counter("treadle_dispatch_stalls_total",
              "Times that a runnable task and a free slot were found apart after a turn: a bug.",
              figures.stalls);
  all.Gauge("treadle_unsynced_bytes", "Rows and answers that wait for the disk.",
            figures.unsynced_bytes);
  all.Gauge("treadle_unsynced_bytes_max", "Beyond it clients' requests wait, too.",
            options.unsynced_bytes_max);

  const broker::SpanFigures spans = figures.spans.value_or(broker::SpanFigures());
  all.Counter("treadle_spans_written_total", "Spans written to --trace-file.", spans.written);
  all.Counter("treadle_spans_dropped_total",
              "Spans that came faster than they could be written, or that the file did not take.",
              spans.dropped);
  all.Counter("treadle_untraced_tasks_total",
              "Sampled tasks that were not followed, because too many were unfinished.",
              spans.untraced_tasks);

  const auto add_lanes = [&](Family& family, int64_t broker::LaneFigures::*figure) {
    for (size_t lane = 0; lane < broker::kLanes; ++lane) {
      family.Add({{"lane", kLaneNames[lane]}}, figures.lanes[lane].*figure);
    }
  };
  add_lanes(all.Gauges("treadle_rpc_incoming_requests",
                       "Requests that wait for the broker's loop, by lane."),
            &broker::LaneFigures::requests);
  add_lanes(all.Gauges("treadle_rpc_incoming_bytes",
                       "Bytes of requests that wait for the broker's loop, by lane."),
            &broker::LaneFigures::bytes);
  add_lanes(all.Gauges("treadle_rpc_held_streams",
                       "Streams that read nothing more until their lane has room."),
            &broker::LaneFigures::held_streams);
}

void AddEdge(Exposition& all, const EdgeFigures& edge) {
  all.Gauge("treadle_rpc_incoming_bytes_max", "Bytes that may wait in each lane: --incoming-max.",
            edge.incoming_bytes_max);
  all.Gauge("treadle_rpc_calls", "Open gRPC calls, streams among them.", edge.calls);
  all.Gauge("treadle_rpc_calls_max", "Calls that may be open: --calls-max.", edge.calls_max);
  all.Gauge("treadle_rpc_connections", "Clients' connections.", edge.connections);
  all.Gauge("treadle_rpc_connections_max",
            "Connections that may be: --connections-max, or what open files allow.",
            edge.connections_max);
  all.Gauge("treadle_rpc_outgoing_bytes", "Bytes sent to clients that have not read them yet.",
            edge.outgoing_bytes);
  all.Gauge("treadle_rpc_outgoing_bytes_max", "Such bytes that may be: --outgoing-max.",
            edge.outgoing_bytes_max);
}

void AddDisk(Exposition& all, const store::DiskFigures& disk) {
  all.Gauge("treadle_store_disk_free_bytes", "Free on the data directory's device.",
            disk.disk_free_bytes);
  all.Gauge("treadle_store_table_bytes", "RocksDB's tables.", disk.table_bytes);
  all.Gauge("treadle_store_log_bytes", "Appended since the write-ahead log was begun.",
            disk.log_bytes);
  all.Gauge("treadle_store_memtable_bytes", "Memory for rows that are not in tables yet.",
            disk.memtable_bytes);
  all.Gauge("treadle_store_block_cache_bytes", "Memory for rows that were read.",
            disk.block_cache_bytes);
  all.Gauge("treadle_store_compaction_pending_bytes", "What compactions have yet to rewrite.",
            disk.compaction_pending_bytes);
  all.Gauge("treadle_store_compactions", "Compactions under way.", disk.compactions);
}

void AddStore(Exposition& all, const store::Store& store, int64_t now_ms, int64_t hung_ms) {
  const std::optional<int64_t> busy_since_ms = store.BusySinceMs();
  const int64_t busy_ms = busy_since_ms.has_value() ? now_ms - *busy_since_ms : 0;
  all.Gauge("treadle_store_busy_seconds",
            "For how long the store's oldest write, sync or read has been under way.",
            static_cast<double>(std::max<int64_t>(0, busy_ms)) / kMsPerSecond);
  all.Gauge("treadle_store_hung_seconds",
            "For how long the disk has not answered, from 3 s on; 0: it does.",
            static_cast<double>(hung_ms) / kMsPerSecond);
  all.Gauge("treadle_store_unwritten_bytes", "Rows that wait to be written.",
            store.UnwrittenBytes());
  if (const std::optional<store::DiskFigures> disk = store.Figures()) AddDisk(all, *disk);
}

void AddProcess(Exposition& all) {
  const ProcessFigures process = ReadProcess();
  all.Counter("process_cpu_seconds_total", "Processor time, user and system.", process.cpu_seconds);
  all.Gauge("process_start_time_seconds", "When the process was started, Unix time.",
            process.start_seconds);
  all.Gauge("process_resident_memory_bytes", "Memory that is resident.", process.resident_bytes);
  all.Gauge("process_virtual_memory_bytes", "Memory that is mapped.", process.virtual_bytes);
  all.Gauge("process_threads", "Threads.", process.threads);
  all.Gauge("process_open_fds", "Open descriptors.", process.open_descriptors);
  all.Gauge("process_max_fds", "Descriptors that may be open.", process.descriptors_max);
}

}  // namespace

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
  Exposition all;
  all.Gauges("treadle_build_info", "Always 1; its labels tell the version.")
      .Add({{"version", subject_.version()}}, 1);
  all.Gauge("treadle_ready", "1 when /readyz says ready.",
            Readiness(subject_, visits_).is_well ? 1 : 0);
  if (subject_.phase() == Phase::kServes) {
    const broker::BrokerOptions& options = subject_.options();
    if (const std::shared_ptr<const Inside> inside = Look(subject_, visits_)) {
      std::vector<QueueCensus> queues = inside->census.queues;
      const QueueCensus& others = inside->census.others;
      if (others.queues > 0 || others.counts.submitted > 0) queues.push_back(others);
      AddQueues(all, queues);
      AddTotals(all, *inside, options.engine);
      AddLoop(all, inside->figures, options);
      all.Gauge("treadle_store_free_bytes",
                "Free for new tasks, beside what the store keeps for its own work and for "
                "outcomes.",
                inside->figures.free_store_bytes);
      all.Gauge("treadle_store_free_bytes_min", "Submits are refused below it: --free-disk-min.",
                options.free_disk_bytes_min);
    }
    const EdgeFigures edge = subject_.edge();
    AddEdge(all, edge);
    AddStore(all, subject_.store(), subject_.clock().NowMs(), edge.disk_hung_ms);
  }
  AddProcess(all);
  return all.Take();
}

void ServeMetrics(Server& server, const Metrics& metrics) {
  auto one_at_a_time = std::make_shared<std::timed_mutex>();
  server.Get("/metrics", [&metrics, one_at_a_time](const httplib::Request&,
                                                   httplib::Response& response) {
    const std::unique_lock lock(*one_at_a_time, kScrapeWait);
    if (!lock.owns_lock()) {
      response.status = kUnavailable;
      response.set_content("busy: other scrapes are under way; scrape less often\n", "text/plain");
      return;
    }
    response.set_content(prometheus::TextSerializer().Serialize(metrics.Collect()),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
}

}  // namespace treadle::http
