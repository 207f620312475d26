#include "client/cli/map/map_run.h"

#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "client/cli/console/disk_hint.h"
#include "client/cli/console/human.h"
#include "client/cli/console/status_line.h"
#include <fmt/format.h>

#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

// What waits for its turn to be printed behind an item that takes long.
constexpr size_t kUnprintedItemsMax = 100'000;
constexpr int64_t kUnprintedBytesMax = int64_t{256} << 20;
// How long Ctrl-C and a failure wait until the broker has heard of the cancels.
constexpr std::chrono::seconds kCancelWait{5};

using SteadyClock = std::chrono::steady_clock;

}  // namespace

// An item, from when it was read until it is printed.
struct MapRun::Slot {
  ItemEnd end;
  Future<Payload> future;  // while the task is under way; not valid while it is being submitted
  bool ended = false;
  bool cancelled = false;  // by CancelRest
};

// What the reading thread shares with the printing one and with the client's callbacks. It may
// outlive the run: a reader that waits for input cannot be woken.
struct MapRun::Shared {
  Client* client;
  MapOptions options;
  ItemSource source;
  SteadyClock::time_point start = SteadyClock::now();

  std::mutex mutex;
  std::condition_variable changed;
  // All GUARDED_BY(mutex).
  std::deque<std::shared_ptr<Slot>> slots;  // not yet printed, in the items' order
  int64_t read = 0;
  int64_t ended = 0;
  int64_t failed = 0;
  int64_t unprinted_bytes = 0;
  bool source_ended = false;
  absl::Status source_error;  // why there are no more, when it is not that all were read
  bool submitting = false;    // the reader uses the client
  bool stop = false;          // submit no more
  bool interrupted = false;

  bool RoomForMore() const {
    return read - ended < options.jobs && slots.size() < kUnprintedItemsMax &&
           unprinted_bytes < kUnprintedBytesMax;
  }
  MapProgress Progress() {
    std::lock_guard lock(mutex);
    const size_t count = source.count.value_or(0);
    return {
        ended, failed, source.count ? static_cast<int64_t>(count) : read,
        source_ended || source.count.has_value(),
        std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start).count()};
  }
};

MapRun::MapRun(Context& context, Client& client, MapOptions options, ItemSource source)
    : context_(context), client_(client), shared_(std::make_shared<Shared>()) {
  shared_->client = &client;
  shared_->options = std::move(options);
  shared_->source = std::move(source);
}

void MapRun::Read(std::shared_ptr<Shared> shared) {
  while (true) {
    {
      std::unique_lock lock(shared->mutex);
      shared->changed.wait(lock, [&] { return shared->stop || shared->RoomForMore(); });
      if (shared->stop) return;
    }
    absl::StatusOr<std::optional<std::string>> item = shared->source.next();
    if (!item.ok() || !item->has_value()) {
      std::lock_guard lock(shared->mutex);
      if (shared->stop) return;
      shared->source_ended = true;
      shared->source_error = item.status();
      shared->changed.notify_all();
      return;
    }
    auto slot = std::make_shared<Slot>();
    slot->end.item = **std::move(item);
    // Reads the item's file, which may take for ever, too.
    absl::StatusOr<TaskDraft> draft = shared->options.draft(slot->end.item);
    {
      std::lock_guard lock(shared->mutex);
      if (shared->stop) return;
      shared->read++;
      shared->submitting = true;
      shared->slots.push_back(slot);
    }
    Submit(shared, slot, std::move(draft));
    std::lock_guard lock(shared->mutex);
    shared->submitting = false;
    shared->changed.notify_all();
  }
}

void MapRun::Submit(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Slot>& slot,
                    absl::StatusOr<TaskDraft> task) {
  if (!task.ok()) return End(*shared, *slot, task.status());
  const Executor executor(*shared->client, ExecutorOptions(shared->options.queue));
  Future<Payload> future = executor.SubmitRaw(task->options, task->type, std::move(task->payload));
  {
    std::lock_guard lock(shared->mutex);
    slot->future = future;
  }
  future.AddDoneCallback([shared, slot](const Future<Payload>& done) {
    {
      std::lock_guard lock(shared->mutex);
      slot->end.task_id = done.Id();
    }
    End(*shared, *slot, done.Result());
  });
}

void MapRun::End(Shared& shared, Slot& slot, absl::StatusOr<Payload> result) {
  std::lock_guard lock(shared.mutex);
  slot.future = Future<Payload>();
  slot.ended = true;
  shared.ended++;
  if (result.ok()) {
    shared.unprinted_bytes += static_cast<int64_t>(result->bytes.size());
  } else {
    shared.failed++;
  }
  slot.end.result = std::move(result);
  shared.changed.notify_all();
}

ExitCode MapRun::Print(const ItemEnd& end) {
  const ExitCode code = ExitCodeOf(end);
  if (exit_code_ == ExitCode::kOk) exit_code_ = code;
  if (context_.json()) return context_.Print(cli::ToJson(end));
  if (!end.result.ok()) {
    context_.terminal.Complain(Describe(end));
    return ExitCode::kOk;
  }
  return context_.Print(shared_->options.tag ? Tagged(end.item, end.result->bytes)
                                             : end.result->bytes);
}

bool MapRun::PrintUntilStopped() {
  StatusLine line(context_.terminal, [shared = shared_](int columns) {
    return ProgressLine(shared->Progress(), columns);
  });
  const DiskHint disk(client_, [&](const std::string& text) {
    line.Around([&] { context_.terminal.Complain(text); });
  });
  const bool keep_going = shared_->options.keep_going;
  std::unique_lock lock(shared_->mutex);
  auto& slots = shared_->slots;
  while (true) {
    shared_->changed.wait(lock, [&] {
      return shared_->interrupted || (!slots.empty() && slots.front()->ended) ||
             (slots.empty() && shared_->source_ended) || (!keep_going && shared_->failed > 0);
    });
    if (shared_->interrupted) return true;
    if (slots.empty() && shared_->source_ended) return false;
    if (slots.empty() || !slots.front()->ended) return true;  // one behind it has failed
    const std::shared_ptr<Slot> slot = std::move(slots.front());
    slots.pop_front();
    if (slot->end.result.ok()) {
      shared_->unprinted_bytes -= static_cast<int64_t>(slot->end.result->bytes.size());
    }
    shared_->changed.notify_all();
    lock.unlock();
    ExitCode printed = ExitCode::kOk;
    line.Around([&] { printed = Print(slot->end); });
    lock.lock();
    if (printed != ExitCode::kOk) {
      exit_code_ = printed;
      return true;
    }
    if (!slot->end.result.ok() && !keep_going) return true;
  }
}

// Cancels what is under way, and prints the failure that stopped the run if it has not been.
void MapRun::CancelRest() {
  const auto until = SteadyClock::now() + kCancelWait;
  std::shared_ptr<Slot> failure;
  std::unique_lock lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
  ended_by_itself_ = shared_->ended;
  for (const std::shared_ptr<Slot>& slot : shared_->slots) {
    if (!slot->ended || slot->end.result.ok()) continue;
    failure = slot;
    break;
  }
  // First: a submit may wait for the room that these take. Then that one.
  CancelUnderWay(lock);
  shared_->changed.wait_until(lock, until, [&] { return !shared_->submitting; });
  CancelUnderWay(lock);
  if (failure != nullptr && exit_code_ == ExitCode::kOk) {
    lock.unlock();
    Print(failure->end);
    lock.lock();
  }
  shared_->changed.wait_until(lock, until, [&] { return shared_->ended == shared_->read; });
}

void MapRun::CancelUnderWay(std::unique_lock<std::mutex>& lock) {
  std::vector<Future<Payload>> under_way;
  for (const std::shared_ptr<Slot>& slot : shared_->slots) {
    if (slot->ended || !slot->future.valid() || std::exchange(slot->cancelled, true)) continue;
    under_way.push_back(slot->future);
  }
  cancelled_ += std::ssize(under_way);
  lock.unlock();
  for (const Future<Payload>& future : under_way) future.Cancel();
  lock.lock();
}

ExitCode MapRun::Summarise(bool stopped) {
  const MapProgress progress = shared_->Progress();
  if (!shared_->source_error.ok()) {
    const ExitCode code = context_.Fail(shared_->source_error);
    if (exit_code_ == ExitCode::kOk) exit_code_ = code;
  }
  if (stopped) {
    const std::string done =
        fmt::format("{} of {}{} items ended, {} were cancelled", ended_by_itself_, progress.total,
                    progress.total_is_final ? "" : " or more", cancelled_);
    if (context_.interrupt.fired()) {
      context_.terminal.Complain("interrupted: " + done);
      return ExitCode::kInterrupted;
    }
    const bool failed = exit_code_ != ExitCode::kOk && context_.terminal.out.good();
    context_.terminal.Complain("stopped: " + done +
                               (failed ? "; --keep-going goes on after a failure" : ""));
  } else if (progress.failed > 0) {
    context_.terminal.Complain(
        fmt::format("{} of {} items failed", progress.failed, progress.total));
  } else if (const int columns = context_.terminal.err_columns(); columns > 0) {
    context_.terminal.err << ProgressLine(progress, columns) << std::endl;
  }
  return exit_code_;
}

ExitCode MapRun::Run() {
  Interrupt::Scope on_interrupt(context_.interrupt, [shared = shared_] {
    std::lock_guard lock(shared->mutex);
    shared->interrupted = true;
    shared->changed.notify_all();
  });
  std::thread reader;
  if (absl::Status started =
          StartThread("reading items", reader, [shared = shared_] { Read(shared); });
      !started.ok()) {
    return context_.Fail(started);
  }
  reader.detach();
  const bool stopped = PrintUntilStopped();
  if (stopped) CancelRest();
  client_.Shutdown();  // no callback comes after this, and no submit waits for room
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, [&] { return !shared_->submitting; });
  lock.unlock();
  return Summarise(stopped);
}

}  // namespace treadle::cli
