#include "client/cli/map/map_run.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "client/cli/console/disk_hint.h"
#include "client/cli/console/human.h"
#include "client/cli/console/status_line.h"
#include "client/cli/console/worker_hint.h"
#include "client/cli/map/results_folder.h"
#include <fmt/format.h>

#include "treadle/codec.h"
#include "treadle/internal/start_thread.h"
#include "treadle/task_error.h"

namespace treadle::cli {
namespace {

// What waits for its turn to be printed behind an item that takes long.
constexpr size_t kUnprintedItemsMax = 100'000;
constexpr int64_t kHeldBytesMax = int64_t{256} << 20;
// How long Ctrl-C and a failure wait until the broker has heard of the cancels.
constexpr std::chrono::seconds kCancelWait{5};
// Of a failure that is no program's, in the job log.
constexpr int32_t kNoExitCode = 255;

using SteadyClock = std::chrono::steady_clock;

// What may wait to be printed.
size_t BytesOf(const absl::StatusOr<Payload>& result) {
  if (result.ok()) return result->bytes.size();
  const std::optional<TaskError> error = GetTaskError(result.status());
  return error ? error->details.size() + error->message.size() : 0;
}

}  // namespace

// An item, from when it was read until it is printed.
struct MapRun::Slot {
  ItemEnd end;
  Item item;         // without its input
  std::string type;  // of its task
  std::string command;
  int64_t held_bytes = 0;  // here, until it is printed
  int64_t sent_bytes = 0;
  std::chrono::system_clock::time_point submitted_at;
  std::chrono::system_clock::duration took{0};  // until it ended
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
  int64_t skipped = 0;  // not run, because the log has them
  int64_t ended = 0;
  int64_t failed = 0;
  int64_t held_bytes = 0;  // of all slots
  bool source_ended = false;
  absl::Status source_error;  // why there are no more, when it is not that all were read
  bool submitting = false;    // the reader uses the client
  bool stop = false;          // submit no more
  bool interrupted = false;

  bool RoomForMore() const {
    return read - ended < options.jobs && slots.size() < kUnprintedItemsMax &&
           held_bytes < kHeldBytesMax;
  }
  bool Wanted(const Item& item) const {
    if (options.log == nullptr || (!options.skip_ended && !options.failed_only)) return true;
    const JobLog::Past past = options.log->PastOf(item.number);
    if (past.ended && past.failed) return options.failed_only;
    return options.skip_ended && !past.ended;
  }
  // The same for every run of that name, until the item has to be run anew.
  std::string RequestKey(const Item& item) const {
    const int64_t before = options.log == nullptr ? 0 : options.log->PastOf(item.number).lines;
    return fmt::format("map:{}:{}:{}", options.run, item.number, before);
  }
  // Of an item that came into being, or has grown.
  void Hold(Slot& slot, size_t bytes) {
    slot.held_bytes += static_cast<int64_t>(bytes);
    held_bytes += static_cast<int64_t>(bytes);
  }
  // What everything behind it waits for: the first item that has not ended.
  v1::Task FirstUnderWay() {
    std::lock_guard lock(mutex);
    v1::Task task;
    const auto first =
        std::find_if(slots.begin(), slots.end(), [](const auto& slot) { return !slot->ended; });
    if (first == slots.end()) return task;
    task.set_queue(options.queue);
    task.set_type((*first)->type);
    if ((*first)->future.valid()) task.set_task_id((*first)->future.Id());
    if (task.task_id().empty()) task.set_state(v1::TASK_STATE_QUEUED);  // waits for room
    return task;
  }
  MapProgress Progress() {
    std::lock_guard lock(mutex);
    return {
        ended, failed, source.count && !source_ended ? *source.count - skipped : read,
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
    absl::StatusOr<std::optional<Item>> item = shared->source.next();
    if (!item.ok() || !item->has_value()) {
      std::lock_guard lock(shared->mutex);
      if (shared->stop) return;
      shared->source_ended = true;
      shared->source_error = item.status();
      shared->changed.notify_all();
      return;
    }
    if (!shared->Wanted(**item)) {
      std::lock_guard lock(shared->mutex);
      ++shared->skipped;
      continue;
    }
    auto slot = std::make_shared<Slot>();
    slot->end.item = (*item)->Label();
    slot->item.number = (*item)->number;
    slot->item.values = (*item)->values;
    if (shared->options.log != nullptr) slot->command = shared->options.command(**item);
    // Reads the item's file, which may take for ever, too.
    absl::StatusOr<TaskDraft> draft = shared->options.draft(**std::move(item));
    if (draft.ok()) {
      slot->type = draft->type;
      slot->sent_bytes = static_cast<int64_t>(draft->payload.bytes.size());
      if (!shared->options.run.empty()) draft->options.request_key = shared->RequestKey(slot->item);
    }
    slot->submitted_at = std::chrono::system_clock::now();
    {
      std::lock_guard lock(shared->mutex);
      if (shared->stop) return;
      shared->read++;
      // The label has the values once more.
      shared->Hold(*slot, 2 * slot->end.item.size() + slot->command.size());
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
  slot.took = std::chrono::system_clock::now() - slot.submitted_at;
  shared.ended++;
  if (!result.ok()) shared.failed++;
  shared.Hold(slot, BytesOf(result));
  slot.end.result = std::move(result);
  shared.changed.notify_all();
}

// Not one whose cancel the broker may never hear of: its task goes on.
bool MapRun::IsCancelled(const Slot& slot) const {
  if (slot.end.result.ok()) return false;
  const std::optional<TaskError> error = GetTaskError(slot.end.result.status());
  return error ? error->end == TaskEnd::kCancelled : slot.cancelled && told_;
}

// What is not known to have ended has no line: who goes on with the run joins it. What was
// cancelled has one, but counts as not run.
void MapRun::Log(const Slot& slot) {
  if (shared_->options.log == nullptr) return;
  const std::optional<TaskError> error = GetTaskError(slot.end.result.status());
  const bool cancelled = IsCancelled(slot);
  if (!slot.end.result.ok() && !error && !cancelled) return;
  const auto ms = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  };
  JobLog::Line line;
  line.number = slot.item.number;
  line.started_at_ms = ms(slot.submitted_at.time_since_epoch());
  line.took_ms = std::max<int64_t>(0, ms(slot.took));
  line.sent_bytes = slot.sent_bytes;
  line.command = slot.command;
  if (slot.end.result.ok()) {
    line.received_bytes = static_cast<int64_t>(slot.end.result->bytes.size());
  } else if (cancelled) {
    line.exit_code = -1;
  } else {
    line.host = error->worker;
    line.received_bytes = static_cast<int64_t>(error->details.size());
    line.signal = error->signal.value_or(0);
    line.exit_code = error->exit_code.value_or(0);
    if (line.exit_code == 0 && line.signal == 0) line.exit_code = kNoExitCode;
  }
  shared_->options.log->Add(line);
}

ExitCode MapRun::Deliver(const Slot& slot) {
  const ExitCode printed = Print(slot);
  if (printed == ExitCode::kOk) Log(slot);
  return printed;
}

// A failed program's output comes before its error, as it would in a shell.
ExitCode MapRun::Print(const Slot& slot) {
  const ItemEnd& end = slot.end;
  const MapOptions& options = shared_->options;
  const std::optional<TaskError> error = GetTaskError(end.result.status());
  const bool failed_output = error && error->details_type == kBytesContentType;
  static const std::string none;
  const std::string& out = end.result.ok() ? end.result->bytes
                           : failed_output ? error->details
                                           : none;
  const ExitCode code = ExitCodeOf(end);
  if (exit_code_ == ExitCode::kOk) exit_code_ = code;
  if (!options.results.empty() && (end.result.ok() || error)) {
    const absl::Status kept =
        KeepResult(options.results, slot.item, out, error ? error->message : "");
    if (!kept.ok()) return context_.Fail(kept);
  }
  if (context_.json()) return context_.Print(cli::ToJson(end));
  if (!out.empty()) {
    const ExitCode printed = context_.Print(options.tag ? Tagged(end.item, out) : out);
    if (printed != ExitCode::kOk) return printed;
  }
  if (!end.result.ok()) context_.terminal.Complain(Describe(end));
  return ExitCode::kOk;
}

bool MapRun::PrintUntilStopped() {
  StatusLine line(context_.terminal, [shared = shared_](int columns) {
    return ProgressLine(shared->Progress(), columns);
  });
  const auto say = [&](const std::string& text) {
    line.Around([&] { context_.terminal.Complain(text); });
  };
  const DiskHint disk(client_, say);
  const WorkerHint worker(
      context_, client_, [shared = shared_] { return shared->FirstUnderWay(); }, say);
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
    shared_->held_bytes -= slot->held_bytes;
    shared_->changed.notify_all();
    lock.unlock();
    ExitCode printed = ExitCode::kOk;
    line.Around([&] { printed = Deliver(*slot); });
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
  auto& slots = shared_->slots;
  const auto failed = std::find_if(slots.begin(), slots.end(), [](const auto& slot) {
    return slot->ended && !slot->end.result.ok();
  });
  if (failed != slots.end() && exit_code_ == ExitCode::kOk && !shared_->options.keep_going) {
    failure = std::move(*failed);
    slots.erase(failed);
  }
  // First: a submit may wait for the room that these take. Then that one.
  CancelUnderWay(lock);
  shared_->changed.wait_until(lock, until, [&] { return !shared_->submitting; });
  CancelUnderWay(lock);
  if (failure != nullptr) {
    lock.unlock();
    Deliver(*failure);
    lock.lock();
  }
  shared_->changed.wait_until(lock, until, [&] { return shared_->ended == shared_->read; });
  lock.unlock();
  // What was written to a connection that is lost by now may not have arrived.
  told_ = client_.Flush(until - SteadyClock::now()).ok() && client_.Stats().connected;
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
  if (exit_code_ == ExitCode::kReaderGone) return exit_code_;  // said to nobody
  const MapProgress progress = shared_->Progress();
  if (!shared_->source_error.ok()) {
    const ExitCode code = context_.Fail(shared_->source_error);
    if (exit_code_ == ExitCode::kOk) exit_code_ = code;
  }
  if (stopped) {
    std::string done =
        fmt::format("{} of {}{} items ended, {} were cancelled", ended_by_itself_, progress.total,
                    progress.total_is_final ? "" : " or more", cancelled_ - going_on_);
    if (going_on_ > 0) {
      done += fmt::format(", {} may go on: the broker was not reached to cancel them", going_on_);
    }
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
          internal::StartThread("reading items", reader, [shared = shared_] { Read(shared); });
      !started.ok()) {
    return context_.Fail(started);
  }
  reader.detach();
  const bool stopped = PrintUntilStopped();
  if (stopped) CancelRest();
  client_.Shutdown();  // no callback comes after this, and no submit waits for room
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, [&] { return !shared_->submitting; });
  for (const std::shared_ptr<Slot>& slot : shared_->slots) {
    if (IsCancelled(*slot)) {
      Log(*slot);
    } else if (slot->cancelled && !slot->end.result.ok() &&
               !GetTaskError(slot->end.result.status())) {
      ++going_on_;
    }
  }
  lock.unlock();
  if (const auto& log = shared_->options.log; log != nullptr) {
    if (absl::Status written = log->Close(); !written.ok()) {
      const ExitCode code = context_.Fail(written);
      if (exit_code_ == ExitCode::kOk) exit_code_ = code;
    }
  }
  return Summarise(stopped);
}

}  // namespace treadle::cli
