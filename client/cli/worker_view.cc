#include "client/cli/worker_view.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/cli/console/human.h"
#include "client/cli/task_view.h"
#include <fmt/format.h>

#include "proto/task/handler_advice.h"
#include "proto/wire/settings.h"

namespace treadle::cli {
namespace {

std::string StateOf(const v1::Worker& worker) {
  if (!worker.connected()) return "lost";
  if (worker.draining()) return "draining";
  return worker.has_quarantine() ? "quarantined" : "connected";
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

// "disk=fast,zone=a"; "-": none.
std::string LabelsOf(const google::protobuf::Map<std::string, std::string>& labels) {
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  return sorted.empty() ? "-" : Printable(absl::StrJoin(sorted, ",", absl::PairFormatter("=")));
}

// Of all its pools.
std::string SumOf(const v1::Worker& worker, int32_t (v1::WorkerPoolStats::*count)() const) {
  int64_t sum = 0;
  for (const v1::WorkerPoolStats& pool : worker.pools()) sum += (pool.*count)();
  return std::to_string(sum);
}

Table PoolsOf(const v1::Worker& worker) {
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

void AddQuarantine(const v1::WorkerQuarantine& quarantine, Sheet& sheet) {
  sheet.Add("in quarantine", HumanTimeAndAge(quarantine.since_ms()));
  sheet.Add("  because", fmt::format("{} attempts in a row failed, and {} of others succeeded",
                                     HumanNumber(quarantine.failed()),
                                     HumanNumber(quarantine.others_succeeded())));
  sheet.Add("  the last",
            fmt::format("{} of queue {}: {}", Printable(quarantine.type()),
                        Printable(quarantine.queue()), ErrorLine(quarantine.error())));
}

std::string DescribeWorker(const v1::Worker& worker, const Context& context) {
  Sheet sheet;
  sheet.Add("name", worker.name());
  sheet.Add("id", worker.worker_id());
  sheet.Add("state", StateOf(worker));
  sheet.Add("from", worker.peer());
  sheet.Add("attached", HumanTimeAndAge(worker.attached_at_ms()));
  sheet.Add("queues", absl::StrJoin(worker.queues(), ", "));
  if (!worker.labels().empty()) sheet.Add("labels", LabelsOf(worker.labels()));
  sheet.Add("succeeded", HumanNumber(worker.succeeded_total()));
  sheet.Add("failed", HumanNumber(worker.failed_total()));
  if (worker.has_quarantine()) AddQuarantine(worker.quarantine(), sheet);
  std::string text = context.Render(sheet);
  if (!worker.pools().empty()) text += '\n' + context.Render(PoolsOf(worker));
  if (!worker.handlers().empty()) text += '\n' + context.Render(HandlersOf(worker));
  return text;
}

std::string DescribeDrain(const v1::Drain& drain, const Context& context) {
  Sheet sheet;
  sheet.Add("drain", drain.drain_id());
  sheet.Add("workers", drain.worker().empty() ? "(any name)" : Printable(drain.worker()));
  sheet.Add("labels", LabelsOf(drain.labels()));
  sheet.Add("match", HumanNumber(drain.workers()));
  sheet.Add("with tasks", HumanNumber(drain.busy_workers()));
  return context.Render(sheet);
}

}  // namespace

const View<v1::Drain> kDrainView = {
    {{{"ID"}, [](const v1::Drain& d) { return d.drain_id(); }},
     {{"WORKERS"},
      [](const v1::Drain& d) { return d.worker().empty() ? "-" : Printable(d.worker()); }},
     {{"LABELS"}, [](const v1::Drain& d) { return LabelsOf(d.labels()); }},
     {{"MATCH", kRight}, [](const v1::Drain& d) { return HumanNumber(d.workers()); }},
     {{"WITH TASKS", kRight}, [](const v1::Drain& d) { return HumanNumber(d.busy_workers()); }},
     {{"SINCE", kRight}, [](const v1::Drain& d) { return HumanAge(d.created_at_ms()) + " ago"; }},
     {{"UNTIL"},
      [](const v1::Drain& d) {
        return d.ends_at_ms() == 0 ? std::string("undrained") : HumanTime(d.ends_at_ms());
      }},
     {{"REASON"}, [](const v1::Drain& d) { return Printable(d.reason()); }}},
    [](const v1::Drain& d) { return d.drain_id(); },
    DescribeDrain};

const View<v1::Worker> kWorkerView = {
    {{{"NAME"}, [](const v1::Worker& w) { return w.name(); }},
     {{"STATE", Table::Align::kLeft, true}, StateOf},
     {{"RUNNING", kRight},
      [](const v1::Worker& w) { return SumOf(w, &v1::WorkerPoolStats::running); }},
     {{"SLOTS", kRight}, [](const v1::Worker& w) { return SumOf(w, &v1::WorkerPoolStats::slots); }},
     {{"SUCCEEDED", kRight, false, /*drop=*/2},
      [](const v1::Worker& w) { return std::to_string(w.succeeded_total()); }},
     {{"FAILED", kRight, false, /*drop=*/1},
      [](const v1::Worker& w) { return std::to_string(w.failed_total()); }},
     {{"QUEUES"}, [](const v1::Worker& w) { return absl::StrJoin(w.queues(), ","); }},
     {{"ID"}, [](const v1::Worker& w) { return w.worker_id(); }, true},
     {{"FROM"}, [](const v1::Worker& w) { return w.peer(); }, true},
     {{"LABELS"}, [](const v1::Worker& w) { return LabelsOf(w.labels()); }, true},
     {{"ATTACHED"}, [](const v1::Worker& w) { return HumanTime(w.attached_at_ms()); }, true},
     {{"TYPES"},
      [](const v1::Worker& w) {
        return TypesOf({w.pools().pointer_begin(), w.pools().pointer_end()});
      }}},
    [](const v1::Worker& w) { return w.name(); },
    DescribeWorker};

}  // namespace treadle::cli
