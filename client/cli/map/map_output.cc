#include "client/cli/map/map_output.h"

#include <optional>
#include <string_view>

#include "absl/strings/escaping.h"
#include "client/cli/console/human.h"
#include "client/cli/outcome.h"
#include <fmt/format.h>

#include "proto/support/utf8.h"
#include "treadle/task_error.h"

namespace treadle::cli {
namespace {

v1::TaskError MessageOf(const TaskError& error) {
  v1::TaskError message;
  message.set_type(error.type);
  message.set_message(error.message);
  message.set_worker(error.worker);
  message.set_attempt(error.attempt);
  message.set_permanent(error.permanent);
  if (error.exit_code) message.set_exit_code(*error.exit_code);
  if (error.signal) message.set_signal(*error.signal);
  if (error.retry_after_ms) message.set_retry_after_ms(*error.retry_after_ms);
  message.set_details(error.details);
  message.set_details_type(error.details_type);
  return message;
}

}  // namespace

std::string Tagged(const std::string& item, const std::string& result) {
  std::string out;
  for (size_t at = 0; at < result.size();) {
    const size_t end = std::min(result.find('\n', at), result.size());
    out += item;
    out += '\t';
    out.append(result, at, end - at);
    out += '\n';
    at = end + 1;
  }
  return out;
}

Json ToJson(const ItemEnd& end) {
  Json json;
  json["item"] = end.item;
  if (!end.task_id.empty()) json["task_id"] = end.task_id;
  if (end.result.ok()) {
    json["state"] = StateName(v1::TASK_STATE_SUCCEEDED);
    AddResult(end.result->bytes, end.result->content_type, json);
    return json;
  }
  const std::optional<TaskError> error = GetTaskError(end.result.status());
  if (!error.has_value()) {
    json["state"] = "REFUSED";
    json["error"] = {{"type", ErrorType(end.result.status().code())},
                     {"message", std::string(end.result.status().message())}};
    return json;
  }
  json["state"] = ToString(error->end);
  json["error"] = ToJson(MessageOf(*error));
  json["attempts"] = error->attempts;
  return json;
}

std::string Describe(const ItemEnd& end) {
  const std::optional<TaskError> error = GetTaskError(end.result.status());
  return fmt::format("item '{}': {}", Printable(end.item),
                     error ? Describe(*error) : std::string(end.result.status().message()));
}

ExitCode ExitCodeOf(const ItemEnd& end) {
  if (end.result.ok()) return ExitCode::kOk;
  return GetTaskError(end.result.status()) ? ExitCode::kTaskFailed
                                           : ExitCodeFor(end.result.status());
}

}  // namespace treadle::cli
