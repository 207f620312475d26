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
#include "client/cli/map/map_output.h"
#include "client/cli/task_draft.h"

#include "treadle/executor.h"

namespace treadle::cli {

struct MapOptions {
  std::string queue;
  int64_t jobs = 10'000;  // items that are submitted and have not ended
  bool keep_going = false;
  bool tag = false;
  std::function<absl::StatusOr<TaskDraft>(const std::string& item)> draft;
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
  ExitCode Print(const ItemEnd& end);
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
};

}  // namespace treadle::cli
