#include "client/cli/task_view.h"

#include <cstdint>

#include "client/cli/console/human.h"
#include "client/cli/outcome.h"
#include <fmt/format.h>

namespace treadle::cli {
namespace {

std::string TimeOrNone(int64_t unix_ms) { return unix_ms == 0 ? "-" : HumanTime(unix_ms); }

std::string ProgressOf(const v1::Task& task) {
  if (!task.has_progress()) return "";
  const double fraction = task.progress().fraction();
  return (fraction < 0 ? std::string() : fmt::format("{:.0f}% ", fraction * 100)) +
         task.progress().message();
}

std::string ErrorOf(const v1::TaskError& error) {
  return fmt::format("{}: {}", error.type(), Shortened(error.message()));
}

void AddError(const std::string& name, const v1::TaskError& error, Sheet& sheet) {
  sheet.Add(name, ErrorOf(error));
  if (error.permanent()) sheet.Add("  permanent", "yes");
  if (error.has_exit_code()) sheet.Add("  exit code", std::to_string(error.exit_code()));
  if (error.has_signal()) sheet.Add("  signal", std::to_string(error.signal()));
  if (error.has_retry_after_ms()) {
    sheet.Add("  retry after", HumanDuration(error.retry_after_ms()));
  }
  if (error.attempt() != 0) sheet.Add("  in attempt", std::to_string(error.attempt()));
  sheet.Add("  on worker", error.worker());
  if (!error.details().empty()) {
    sheet.Add("  details", DetailsText(error.details(), error.details_type()));
  }
}

std::string Describe(const v1::Task& task, const Context& context) {
  Sheet sheet;
  sheet.Add("id", task.task_id());
  sheet.Add("queue", task.queue());
  sheet.Add("type", task.type());
  sheet.Add("state", StateWords(task));
  if (task.priority() != 0) sheet.Add("priority", std::to_string(task.priority()));
  sheet.Add("attempts", fmt::format("{} of {}", task.attempts(), task.max_attempts()));
  sheet.Add("payload", HumanBytes(static_cast<int64_t>(task.payload_bytes())));
  sheet.Add("submitted", HumanTimeAndAge(task.submitted_at_ms()));
  if (task.run_at_ms() != 0) sheet.Add("due", HumanTime(task.run_at_ms()));
  if (task.deadline_at_ms() != 0) sheet.Add("deadline", HumanTime(task.deadline_at_ms()));
  sheet.Add("finished", HumanTimeAndAge(task.finished_at_ms()));
  if (task.expires_at_ms() != 0) sheet.Add("result kept until", HumanTime(task.expires_at_ms()));
  sheet.Add("worker", task.worker());
  sheet.Add("progress", ProgressOf(task));
  sheet.Add("request key", task.request_key());
  if (task.has_last_error()) AddError("last error", task.last_error(), sheet);
  return sheet.Render(context.coloured());
}

std::string Describe(const v1::Outcome& outcome, const Context& context) {
  Sheet sheet;
  sheet.Add("id", outcome.task_id());
  sheet.Add("state", StateName(outcome.state()));
  sheet.Add("attempts", std::to_string(outcome.attempts()));
  sheet.Add("finished", HumanTimeAndAge(outcome.finished_at_ms()));
  if (outcome.has_error()) AddError("error", outcome.error(), sheet);
  return sheet.Render(context.coloured());
}

}  // namespace

const View<v1::Task> kTaskView = {
    {{{"ID"}, [](const v1::Task& t) { return t.task_id(); }},
     {{"QUEUE"}, [](const v1::Task& t) { return t.queue(); }},
     {{"TYPE"}, [](const v1::Task& t) { return t.type(); }},
     {{"STATE", Table::Align::kLeft, true},
      [](const v1::Task& t) {
        return StateName(t.state()) + (t.stop_reason() == v1::STOP_REASON_UNSPECIFIED ? "" : "!");
      }},
     {{"AGE", kRight}, [](const v1::Task& t) { return HumanAge(t.submitted_at_ms()); }},
     {{"ATTEMPTS", kRight},
      [](const v1::Task& t) { return fmt::format("{}/{}", t.attempts(), t.max_attempts()); }},
     {{"PRIORITY", kRight}, [](const v1::Task& t) { return std::to_string(t.priority()); }, true},
     {{"PAYLOAD", kRight},
      [](const v1::Task& t) { return HumanBytes(static_cast<int64_t>(t.payload_bytes())); },
      true},
     {{"WORKER"}, [](const v1::Task& t) { return t.worker(); }, true},
     {{"SUBMITTED"}, [](const v1::Task& t) { return TimeOrNone(t.submitted_at_ms()); }, true},
     {{"DUE"}, [](const v1::Task& t) { return TimeOrNone(t.run_at_ms()); }, true},
     {{"DEADLINE"}, [](const v1::Task& t) { return TimeOrNone(t.deadline_at_ms()); }, true},
     {{"FINISHED"}, [](const v1::Task& t) { return TimeOrNone(t.finished_at_ms()); }, true},
     {{"REQUEST KEY"}, [](const v1::Task& t) { return t.request_key(); }, true},
     {{"PROGRESS"}, ProgressOf, true},
     {{"ERROR"},
      [](const v1::Task& t) { return t.has_last_error() ? ErrorOf(t.last_error()) : ""; }}},
    [](const v1::Task& t) { return t.task_id(); },
    [](const v1::Task& t, const Context& context) { return Describe(t, context); }};

const View<v1::Outcome> kOutcomeView = {
    {{{"ID"}, [](const v1::Outcome& o) { return o.task_id(); }},
     {{"STATE", Table::Align::kLeft, true},
      [](const v1::Outcome& o) { return StateName(o.state()); }},
     {{"ATTEMPTS", kRight}, [](const v1::Outcome& o) { return std::to_string(o.attempts()); }},
     {{"RESULT", kRight},
      [](const v1::Outcome& o) { return HumanBytes(static_cast<int64_t>(o.result().size())); }},
     {{"FINISHED"}, [](const v1::Outcome& o) { return TimeOrNone(o.finished_at_ms()); }, true},
     {{"WORKER"}, [](const v1::Outcome& o) { return o.error().worker(); }, true},
     {{"ERROR"}, [](const v1::Outcome& o) { return o.has_error() ? ErrorOf(o.error()) : ""; }}},
    [](const v1::Outcome& o) { return o.task_id(); },
    [](const v1::Outcome& o, const Context& context) { return Describe(o, context); }};

}  // namespace treadle::cli
