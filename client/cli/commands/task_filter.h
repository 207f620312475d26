#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/commands/bulk_job.h"
#include "client/cli/context.h"

#include "proto/program/cli_fwd.h"
#include "proto/search/filter.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::cli {

// Which tasks a command is about: a filter's words, and flags that stand for some of them.
struct TaskFilter {
  std::vector<std::string> words;
  std::string queue;
  std::string type;
  std::vector<std::string> states;
  std::string worker;
  std::string error_type;
  int64_t older_than_ms = 0;

  bool empty() const {
    return words.empty() && queue.empty() && type.empty() && states.empty() && worker.empty() &&
           error_type.empty() && older_than_ms == 0;
  }
  // All of it. INVALID_ARGUMENT: a mistake in the words, or there is no such state.
  absl::StatusOr<search::Filter> Read() const;
};

// `queue`: with --queue; `states`: those that there are to choose from.
void AddFilterFlags(CLI::App& command, TaskFilter& filter, bool queue, const std::string& states);
// --filter, for commands whose arguments are something else.
void AddFilterOption(CLI::App& command, TaskFilter& filter);

// The broker's pages, one after the other, until the last one, or until `on_page` says false; pages
// may be empty. A task that ends meanwhile is there once, as it was.
absl::Status ForEachPage(
    Client& client, v1::ListTasksRequest request,
    absl::FunctionRef<bool(std::vector<v1::Task> tasks, int64_t searched)> on_page);

// Has a job of the broker cancel what the filter takes, after asking how many there are; lists it
// with --dry-run. `waiting_only`: not those that run.
ExitCode CancelFiltered(Context& context, const TaskFilter& filter, const BulkFlags& flags,
                        bool waiting_only);

}  // namespace treadle::cli
