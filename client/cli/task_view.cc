#include "client/cli/task_view.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "client/cli/console/human.h"
#include "client/cli/outcome.h"
#include <fmt/format.h>

#include "treadle/task_error.h"

namespace treadle::cli {
namespace {

std::string TimeOrNone(int64_t unix_ms) { return unix_ms == 0 ? "-" : HumanTime(unix_ms); }

std::string ProgressOf(const v1::Task& task) {
  if (!task.has_progress()) return "";
  const double fraction = task.progress().fraction();
  return (fraction < 0 ? std::string() : fmt::format("{:.0f}% ", fraction * 100)) +
         task.progress().message();
}

void AddError(const std::string& name, const v1::TaskError& error, Sheet& sheet) {
  sheet.Add(name, ErrorLine(error));
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

// The last one's error is told already.
void AddAttempts(const v1::Task& task, Sheet& sheet) {
  int32_t before = 0;
  for (const v1::FailedAttempt& attempt : task.failed_attempts()) {
    const v1::TaskError& error = attempt.error();
    if (const int32_t left_out = error.attempt() - before - 1; left_out > 0) {
      sheet.Add("  ...", fmt::format("{} more that failed", left_out));
    }
    before = error.attempt();
    const int64_t began_ms =
        attempt.started_at_ms() == 0 ? attempt.leased_at_ms() : attempt.started_at_ms();
    sheet.Add(fmt::format("attempt {}", error.attempt()),
              fmt::format("{}, after {} on {}: {}", HumanTime(attempt.ended_at_ms()),
                          HumanDuration(attempt.ended_at_ms() - began_ms),
                          Printable(error.worker()), ErrorLine(error)));
    const int64_t waited_ms = attempt.leased_at_ms() - attempt.runnable_at_ms();
    if (waited_ms > 0) sheet.Add("  had waited", HumanDuration(waited_ms));
  }
}

}  // namespace

std::string ErrorLine(const v1::TaskError& error) {
  return fmt::format("{}: {}", error.type(), Shortened(error.message()));
}

std::string ErrorCell(const v1::TaskError& error) {
  const bool is_exit = error.type() == kExitStatusError || error.type() == kSignalError;
  const std::string text = is_exit ? Shortened(error.message()) : ErrorLine(error);
  return std::string(absl::StripTrailingAsciiWhitespace(text));
}

Sheet SheetOf(const v1::Task& task) {
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
  if (task.leased_at_ms() != 0) sheet.Add("  took it", HumanTimeAndAge(task.leased_at_ms()));
  if (task.started_at_ms() != 0) sheet.Add("  began", HumanTimeAndAge(task.started_at_ms()));
  sheet.Add("progress", ProgressOf(task));
  sheet.Add("request key", task.request_key());
  if (task.has_last_error()) AddError("last error", task.last_error(), sheet);
  AddAttempts(task, sheet);
  return sheet;
}

namespace {

std::string Describe(const v1::Task& task, const Context& context) {
  Sheet sheet = SheetOf(task);
  if (task.dead_letter()) {
    sheet.Add("kept", "as a dead letter, with its payload: treadle dead payload writes it");
  }
  return context.Render(sheet);
}

std::string Describe(const v1::Outcome& outcome, const Context& context) {
  Sheet sheet;
  sheet.Add("id", outcome.task_id());
  sheet.Add("state", StateName(outcome.state()));
  sheet.Add("attempts", std::to_string(outcome.attempts()));
  sheet.Add("finished", HumanTimeAndAge(outcome.finished_at_ms()));
  if (outcome.has_error()) AddError("error", outcome.error(), sheet);
  return context.Render(sheet);
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
      [](const v1::Task& t) { return t.has_last_error() ? ErrorCell(t.last_error()) : ""; }}},
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
     {{"ERROR"}, [](const v1::Outcome& o) { return o.has_error() ? ErrorCell(o.error()) : ""; }}},
    [](const v1::Outcome& o) { return o.task_id(); },
    [](const v1::Outcome& o, const Context& context) { return Describe(o, context); }};

}  // namespace treadle::cli
