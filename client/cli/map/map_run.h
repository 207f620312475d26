#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/console/progress.h"
#include "client/cli/context.h"
#include "client/cli/map/item_source.h"
#include "client/cli/map/job_log.h"
#include "client/cli/map/map_output.h"
#include "client/cli/task_draft.h"

#include "treadle/executor.h"

namespace treadle::cli {

struct MapOptions {
  std::string queue;
  int64_t jobs = 10'000;  // items that are submitted and have not ended
  bool keep_going = false;
  bool tag = false;
  // Makes one item's task, and says what is run, for the job log.
  std::function<absl::StatusOr<TaskDraft>(Item item)> draft;
  std::function<std::string(const Item& item)> command;
  // Names the run: the tasks have request keys, so that a run of that name joins those that an
  // earlier one has submitted, rather than running them again. Empty: none.
  std::string run;
  std::shared_ptr<JobLog> log;  // may be none
  bool skip_ended = false;      // items that are in the log
  bool failed_only = false;     // with skip_ended: also these; alone: only these
  std::string results;          // a folder for each item's output; empty: none
};

// One task for each item; results in the items' order on standard output. A thread of its own reads
// items and submits them, the caller's thread prints.
class MapRun {
 public:
  // All outlive the run.
  MapRun(Context& context, Client& client, MapOptions options, ItemSource source);

  ExitCode Run();

 private:
  struct Slot;
  struct Shared;

  static void Read(std::shared_ptr<Shared> shared);
  static void Submit(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Slot>& slot,
                     absl::StatusOr<TaskDraft> task);
  static void End(Shared& shared, Slot& slot, absl::StatusOr<Payload> result);
  // Keeps and prints an ended item's result, and then logs it: what has a line was given.
  ExitCode Deliver(const Slot& slot);
  ExitCode Print(const Slot& slot);
  bool IsCancelled(const Slot& slot) const;
  void Log(const Slot& slot);
  bool PrintUntilStopped();
  void CancelRest();
  // What has not been cancelled yet. `lock` holds the shared mutex; let go of meanwhile.
  void CancelUnderWay(std::unique_lock<std::mutex>& lock);
  ExitCode Summarise(bool stopped);

  Context& context_;
  Client& client_;
  std::shared_ptr<Shared> shared_;
  ExitCode exit_code_ = ExitCode::kOk;  // of the first item that went wrong
  int64_t ended_by_itself_ = 0;         // items, when the run was stopped
  int64_t cancelled_ = 0;
  bool told_ = true;      // the broker, of every cancel
  int64_t going_on_ = 0;  // items of which it may not have been told
};

}  // namespace treadle::cli
