#include "client/cli/outcome.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_split.h"
#include "client/cli/console/disk_hint.h"
#include "client/cli/console/human.h"
#include "client/cli/console/status_line.h"
#include "client/cli/console/worker_hint.h"
#include "client/cli/task_view.h"
#include <fmt/format.h>

#include "proto/support/utf8.h"
#include "treadle/codec.h"

namespace treadle::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

int64_t MsSince(SteadyClock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start).count();
}

ExitCode PrintOutcome(const Context& context, const v1::Outcome& outcome) {
  const bool succeeded = outcome.state() == v1::TASK_STATE_SUCCEEDED;
  ExitCode printed = ExitCode::kOk;
  if (!context.table()) {
    printed = PrintOne(context, kOutcomeView, outcome);
  } else if (succeeded) {
    printed = PrintBytes(context, outcome.result());
  } else {
    // What a program had written before it failed, as in a shell.
    const TaskError error = ErrorOf(outcome);
    if (error.details_type == kBytesContentType) printed = PrintBytes(context, error.details);
    if (printed != ExitCode::kReaderGone) context.terminal.Complain(Describe(error));
  }
  return succeeded || printed != ExitCode::kOk ? printed : ExitCode::kTaskFailed;
}

}  // namespace

ExitCode PrintBytes(const Context& context, const std::string& bytes) {
  const bool open_line = !bytes.empty() && bytes.back() != '\n';
  return context.Print(bytes + (open_line && context.terminal.out_columns() > 0 ? "\n" : ""));
}

std::string Describe(const TaskError& error) {
  std::string text = fmt::format("task {} {}", error.task_id, ToString(error.end));
  if (error.attempts > 0) {
    text += " after " + HumanCount(error.attempts, "attempt");
  }
  if (!error.worker.empty()) text += " on " + Printable(error.worker);
  text += ": " + Printable(error.type);
  // Several lines, a program's errors say, stay several lines.
  const char* separator = ": ";
  for (const auto& line : absl::StrSplit(error.message, '\n', absl::SkipEmpty())) {
    text += separator + Printable(std::string(line));
    separator = "\n  ";
  }
  if (!error.details.empty() && error.details_type != kBytesContentType) {
    text += "\n  details: " + Printable(DetailsText(error.details, error.details_type));
  }
  if (error.retry_after_ms) {
    text += fmt::format("\n  it asks not to be tried again before {} have passed",
                        HumanDuration(*error.retry_after_ms));
  }
  return text;
}

std::string DetailsText(const std::string& details, const std::string& type) {
  const bool whole = IsUtf8(details) && details.size() <= kShortBytesMax;
  const std::string about =
      (type.empty() ? "" : type + ", ") + HumanBytes(static_cast<int64_t>(details.size()));
  return (IsUtf8(details) ? CutMiddle(details, kShortBytesMax) + " " : "") +
         fmt::format("({}{})", about, whole ? "" : ": -o json");
}

std::string StateWords(const v1::Task& task) {
  const std::string state = StateName(task.state());
  switch (task.stop_reason()) {
    case v1::STOP_REASON_CANCELLED:
      return state + " (told to stop: it was cancelled" +
             (task.cancel_reason().empty() ? "" : ": " + task.cancel_reason()) + ")";
    case v1::STOP_REASON_ATTEMPT_TIMEOUT:
      return state + " (told to stop: the attempt's time is over)";
    case v1::STOP_REASON_DEADLINE:
      return state + " (told to stop: its deadline has passed)";
    case v1::STOP_REASON_LEASE_LOST:
      return state + " (told to stop: its lease is lost)";
    default:
      return state;
  }
}

std::string WaitingLine(const v1::Task& task, int64_t waited_ms) {
  std::string text = task.task_id();
  if (task.state() != v1::TASK_STATE_UNSPECIFIED) text += " " + StateWords(task);
  if (!task.worker().empty()) text += " on " + task.worker();
  if (task.attempts() > 1) {
    text += fmt::format(", attempt {} of {}", task.attempts(), task.max_attempts());
  }
  if (task.has_progress()) {
    if (task.progress().fraction() >= 0) {
      text += fmt::format(", {:.0f}%", task.progress().fraction() * 100);
    }
    if (!task.progress().message().empty()) text += ": " + task.progress().message();
  }
  return Printable(fmt::format("{}  {}", text, HumanDuration(waited_ms)));
}

absl::StatusOr<v1::Outcome> AwaitEnd(const Context& context, Client& client,
                                     const std::string& task_id, int64_t timeout_ms,
                                     absl::FunctionRef<ExitCode(const v1::Task&)> on_change) {
  std::mutex mutex;
  v1::Task latest;
  latest.set_task_id(task_id);
  const auto start = SteadyClock::now();
  StatusLine line(context.terminal, [&](int columns) {
    std::lock_guard lock(mutex);
    return CutToWidth(WaitingLine(latest, MsSince(start)), columns - 1);
  });
  const auto say = [&](const std::string& text) {
    line.Around([&] { context.terminal.Complain(text); });
  };
  const auto now = [&] {
    std::lock_guard lock(mutex);
    return latest;
  };
  // Ends the watch.
  Interrupt::Scope on_interrupt(context.interrupt, [&client] { client.Shutdown(); });
  const WorkerHint hint(context, client, now, say);
  const DiskHint disk(client, say);
  return client.WatchTask(
      task_id,
      [&](const v1::Task& task) {
        {
          std::lock_guard lock(mutex);
          latest = task;
        }
        ExitCode code = ExitCode::kOk;
        line.Around([&] { code = on_change(task); });
        return code == ExitCode::kOk;
      },
      timeout_ms == 0 ? kForever : std::chrono::milliseconds(timeout_ms));
}

ExitCode CodeOf(const v1::Outcome& outcome) {
  return outcome.state() == v1::TASK_STATE_SUCCEEDED ? ExitCode::kOk : ExitCode::kTaskFailed;
}

ExitCode FailAwait(const Context& context, const std::string& task_id, int64_t timeout_ms,
                   const absl::Status& status) {
  const std::string fetch = fmt::format("fetch its result later with: treadle result {}{}", task_id,
                                        context.BrokerFlag());
  if (context.interrupt.fired()) {
    context.terminal.Complain("interrupted; the task goes on: " + fetch);
    return ExitCode::kInterrupted;
  }
  if (absl::IsDeadlineExceeded(status)) {
    context.terminal.Complain(fmt::format("task {} has not ended within {} and goes on: {}",
                                          task_id, HumanDuration(timeout_ms), fetch));
    return ExitCode::kTimeout;
  }
  return context.Fail(status);
}

ExitCode AwaitAndPrint(const Context& context, Client& client, const std::string& task_id,
                       int64_t timeout_ms) {
  const absl::StatusOr<v1::Outcome> outcome =
      AwaitEnd(context, client, task_id, timeout_ms, [](const v1::Task&) { return ExitCode::kOk; });
  return outcome.ok() ? PrintOutcome(context, *outcome)
                      : FailAwait(context, task_id, timeout_ms, outcome.status());
}

}  // namespace treadle::cli
