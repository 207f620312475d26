#include "client/cli/console/json.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

#include "proto/support/utf8.h"

namespace treadle::cli {
namespace {

std::string WithoutPrefix(const std::string& name, const std::string& prefix) {
  return name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name;
}

void AddIf(Json& json, const char* name, const std::string& value) {
  if (!value.empty()) json[name] = value;
}
void AddIf(Json& json, const char* name, int64_t value) {
  if (value != 0) json[name] = value;
}

template <typename Repeated>
Json Strings(const Repeated& values) {
  Json list = Json::array();
  for (const auto& value : values) list.push_back(value);
  return list;
}

}  // namespace

std::string StateName(v1::TaskState state) {
  return WithoutPrefix(v1::TaskState_Name(state), "TASK_STATE_");
}
std::string StopReasonName(v1::StopReason reason) {
  return WithoutPrefix(v1::StopReason_Name(reason), "STOP_REASON_");
}
std::string DisciplineName(v1::Discipline discipline) {
  return WithoutPrefix(v1::Discipline_Name(discipline), "DISCIPLINE_");
}
std::string AdviceName(v1::HandlerAdvice advice) {
  return WithoutPrefix(v1::HandlerAdvice_Name(advice), "HANDLER_ADVICE_");
}
std::string DurabilityName(v1::Durability durability) {
  return WithoutPrefix(v1::Durability_Name(durability), "DURABILITY_");
}

Json ToJson(const v1::TaskError& error) {
  Json json;
  json["type"] = error.type();
  json["message"] = error.message();
  AddIf(json, "worker", error.worker());
  AddIf(json, "attempt", error.attempt());
  if (error.permanent()) json["permanent"] = true;
  return json;
}

Json ToJson(const v1::Task& task) {
  Json json;
  json["task_id"] = task.task_id();
  json["queue"] = task.queue();
  json["type"] = task.type();
  json["state"] = StateName(task.state());
  json["priority"] = task.priority();
  json["attempts"] = task.attempts();
  json["max_attempts"] = task.max_attempts();
  json["submitted_at_ms"] = task.submitted_at_ms();
  AddIf(json, "run_at_ms", task.run_at_ms());
  AddIf(json, "deadline_at_ms", task.deadline_at_ms());
  AddIf(json, "finished_at_ms", task.finished_at_ms());
  AddIf(json, "expires_at_ms", task.expires_at_ms());
  json["payload_bytes"] = task.payload_bytes();
  AddIf(json, "worker", task.worker());
  if (task.cancel_requested()) json["cancel_requested"] = true;
  if (task.stop_reason() != v1::STOP_REASON_UNSPECIFIED) {
    json["stop_reason"] = StopReasonName(task.stop_reason());
  }
  AddIf(json, "request_key", task.request_key());
  if (task.has_progress()) {
    Json progress;
    if (task.progress().fraction() >= 0) progress["fraction"] = task.progress().fraction();
    AddIf(progress, "message", task.progress().message());
    if (!progress.is_null()) json["progress"] = progress;
  }
  if (task.has_last_error()) json["last_error"] = ToJson(task.last_error());
  return json;
}

void AddResult(const std::string& bytes, const std::string& content_type, Json& json) {
  if (IsUtf8(bytes)) {
    json["result"] = bytes;
  } else {
    json["result_base64"] = absl::Base64Escape(bytes);
  }
  AddIf(json, "content_type", content_type);
}

Json ToJson(const v1::Outcome& outcome) {
  Json json;
  json["task_id"] = outcome.task_id();
  json["state"] = StateName(outcome.state());
  if (outcome.state() == v1::TASK_STATE_SUCCEEDED) {
    AddResult(outcome.result(), outcome.content_type(), json);
  }
  if (outcome.has_error()) json["error"] = ToJson(outcome.error());
  json["attempts"] = outcome.attempts();
  json["finished_at_ms"] = outcome.finished_at_ms();
  return json;
}

Json ToJson(const v1::Queue& queue) {
  Json config;
  config["name"] = queue.config().name();
  config["discipline"] = DisciplineName(queue.config().discipline());
  config["max_tasks"] = queue.config().max_tasks();
  config["max_bytes"] = queue.config().max_bytes();
  Json stats;
  stats["scheduled"] = queue.stats().scheduled();
  stats["queued"] = queue.stats().queued();
  stats["running"] = queue.stats().running();
  stats["waiting_bytes"] = queue.stats().waiting_bytes();
  stats["waiting_submitters"] = queue.stats().waiting_submitters();
  stats["oldest_age_ms"] = queue.stats().oldest_age_ms();
  stats["submitted_total"] = queue.stats().submitted_total();
  stats["succeeded_total"] = queue.stats().succeeded_total();
  stats["failed_total"] = queue.stats().failed_total();
  stats["cancelled_total"] = queue.stats().cancelled_total();
  stats["expired_total"] = queue.stats().expired_total();
  stats["retried_total"] = queue.stats().retried_total();
  stats["submitted_per_second"] = queue.stats().submitted_per_second();
  stats["finished_per_second"] = queue.stats().finished_per_second();
  Json json;
  json["config"] = std::move(config);
  json["paused"] = queue.paused();
  json["closed"] = queue.closed();
  json["created_at_ms"] = queue.created_at_ms();
  json["stats"] = std::move(stats);
  return json;
}

Json ToJson(const v1::Worker& worker) {
  Json json;
  json["worker_id"] = worker.worker_id();
  json["name"] = worker.name();
  AddIf(json, "peer", worker.peer());
  json["connected"] = worker.connected();
  json["draining"] = worker.draining();
  json["queues"] = Strings(worker.queues());
  json["pools"] = Json::array();
  for (const v1::WorkerPoolStats& stats : worker.pools()) {
    Json pool;
    pool["name"] = stats.name();
    pool["slots"] = stats.slots();
    pool["free"] = stats.free();
    pool["leased"] = stats.leased();
    pool["running"] = stats.running();
    pool["types"] = Strings(stats.types());
    json["pools"].push_back(std::move(pool));
  }
  json["attached_at_ms"] = worker.attached_at_ms();
  json["lease_expires_at_ms"] = worker.lease_expires_at_ms();
  json["succeeded_total"] = worker.succeeded_total();
  json["failed_total"] = worker.failed_total();
  json["handlers"] = Json::array();
  for (const v1::HandlerStats& stats : worker.handlers()) {
    Json handler;
    handler["type"] = stats.type();
    handler["pool"] = stats.pool();
    handler["runs"] = stats.runs();
    handler["measured_runs"] = stats.measured_runs();
    handler["cpu_ms"] = stats.cpu_ms();
    handler["wall_ms"] = stats.wall_ms();
    handler["advice"] = AdviceName(stats.advice());
    json["handlers"].push_back(std::move(handler));
  }
  return json;
}

Json ToJson(const v1::ServerInfo& server) {
  Json limits;
  limits["payload_bytes_max"] = server.limits().payload_bytes_max();
  limits["message_bytes_max"] = server.limits().message_bytes_max();
  limits["batch_tasks_max"] = server.limits().batch_tasks_max();
  limits["streams_per_client_max"] = server.limits().streams_per_client_max();
  limits["request_key_window_ms"] = server.limits().request_key_window_ms();
  limits["queues_max"] = server.limits().queues_max();
  limits["unfinished_tasks_max"] = server.limits().unfinished_tasks_max();
  Json json;
  json["version"] = server.version();
  json["started_at_ms"] = server.started_at_ms();
  json["now_ms"] = server.now_ms();
  json["store"] = server.store();
  json["unfinished_tasks"] = server.unfinished_tasks();
  json["queues"] = server.queues();
  json["workers"] = server.workers();
  json["sessions"] = server.sessions();
  json["disk_hung_ms"] = server.disk_hung_ms();
  json["limits"] = std::move(limits);
  return json;
}

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace treadle::cli
