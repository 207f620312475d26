#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "client/cli/context.h"

#include "treadle/task_error.h"
#include "treadle/v1/task.pb.h"

namespace treadle::cli {

// A result, or a payload, byte for byte. On a terminal the prompt starts on a line of its own.
ExitCode PrintBytes(const Context& context, const std::string& bytes);

// "task 3f-1 FAILED after 3 attempts on host-12: ExitStatus: exit status 1: no such file". Details
// follow on lines of their own, unless they are a program's output, which is no text for people.
std::string Describe(const TaskError& error);

// Of an error, for people: "{"code": 7} (application/json, 11 B)"; what is no text is not shown.
std::string DetailsText(const std::string& details, const std::string& type);

// "RUNNING", or "RUNNING (told to stop: the attempt's time is over)".
std::string StateWords(const v1::Task& task);

// A task's line while someone waits for it: "3f-1 RUNNING on host-12, attempt 2 of 3, 40%: half
// way  12s".
std::string WaitingLine(const v1::Task& task, int64_t waited_ms);

// Waits for a task's end, with a line on a terminal that says how far it is; `on_change` is told
// each change before. `timeout_ms` 0: for ever. Ctrl-C ends the wait, not the task.
absl::StatusOr<v1::Outcome> AwaitEnd(const Context& context, Client& client,
                                     const std::string& task_id, int64_t timeout_ms,
                                     absl::FunctionRef<ExitCode(const v1::Task&)> on_change);
// 0 if it succeeded: its state decides, for who waits for it.
ExitCode CodeOf(const v1::Outcome& outcome);
// Says why AwaitEnd has no outcome.
ExitCode FailAwait(const Context& context, const std::string& task_id, int64_t timeout_ms,
                   const absl::Status& status);

// Waits for a task's end, showing how far it is on a terminal, and prints the result. Returns the
// command's exit code: 0 when it succeeded. `timeout_ms` 0: for ever. Ctrl-C ends the wait, not the
// task.
ExitCode AwaitAndPrint(const Context& context, Client& client, const std::string& task_id,
                       int64_t timeout_ms);

}  // namespace treadle::cli
