#include "client/cli/batch.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "client/cli/batch_line.h"
#include "client/cli/file_content.h"
#include <fmt/format.h>

#include "treadle/executor.h"
#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

constexpr size_t kUnansweredMax = 10'000;
// A client remembers its tasks until they end: so many, then another takes over.
constexpr int64_t kTasksPerClient = 100'000;

struct NumberedLine {
  int64_t number = 0;
  absl::StatusOr<BatchLine::Task> task;
};

// Read on a thread of its own, which may wait for input for ever, so it may outlive the command: it
// gives one line at a time.
struct Reader {
  Reader(Terminal& terminal_in, std::string path_in, const SubmitFlags& flags)
      : terminal(terminal_in), path(std::move(path_in)), parser(flags) {}

  static void Run(const std::shared_ptr<Reader>& reader) {
    for (int64_t number = 1;; ++number) {
      std::istream& in = reader->path == "-" ? reader->terminal.in : reader->file;
      absl::StatusOr<std::optional<std::string>> text = ReadItem(in, '\n', reader->path);
      std::optional<NumberedLine> line;
      if (!text.ok()) {
        line = NumberedLine{number, text.status()};
      } else if (text->has_value()) {
        if (absl::StripAsciiWhitespace(**text).empty()) continue;
        line = NumberedLine{number, reader->parser.Read(**text)};
      }
      const bool last = !line.has_value() || !line->task.ok();
      std::unique_lock lock(reader->mutex);
      reader->changed.wait(lock, [&] { return reader->stop || !reader->line.has_value(); });
      if (reader->stop) return;
      reader->line = std::move(line);
      reader->ended = last;
      reader->changed.notify_all();
      if (last) return;
    }
  }
  // None: there are no more, or Stop was called.
  std::optional<NumberedLine> Next() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return stop || line.has_value() || ended; });
    changed.notify_all();
    return stop ? std::nullopt : std::exchange(line, std::nullopt);
  }
  void Stop() {
    std::lock_guard lock(mutex);
    stop = true;
    changed.notify_all();
  }

  Terminal& terminal;
  const std::string path;
  std::ifstream file;
  BatchLine parser;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<NumberedLine> line;  // GUARDED_BY(mutex)
  bool ended = false;                // GUARDED_BY(mutex): none after `line`
  bool stop = false;                 // GUARDED_BY(mutex)
};

// Prints answers in order, on a thread of its own.
class Answers {
 public:
  Answers(const Context& context, std::string name, std::function<void()> on_failure)
      : context_(context), name_(std::move(name)), on_failure_(std::move(on_failure)) {}
  ~Answers() { Finish(); }

  absl::Status Start() {
    return internal::StartThread("answers", thread_, [this] { Run(); });
  }
  // Waits for room.
  void Add(int64_t line, Future<Payload> future) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return pending_.size() < kUnansweredMax; });
    pending_.emplace_back(line, std::move(future));
    changed_.notify_all();
  }
  void AwaitAll() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return pending_.empty(); });
  }
  void Finish() {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }
  ExitCode Fail(int64_t line, const absl::Status& status) {
    std::lock_guard lock(mutex_);
    return FailLocked(line, status);
  }
  // After Finish.
  ExitCode code() const { return code_; }
  int64_t accepted() const { return accepted_; }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ended_ || !pending_.empty(); });
      if (pending_.empty()) return;
      const auto [line, future] = pending_.front();
      lock.unlock();
      const absl::StatusOr<Acceptance> accepted = future.Accepted();
      lock.lock();
      if (accepted.ok()) {
        accepted_++;
        Print(line, *accepted);
      } else if (!context_.interrupt.fired()) {
        FailLocked(line, accepted.status());
      }
      pending_.pop_front();
      changed_.notify_all();
    }
  }
  void Print(int64_t line, const Acceptance& accepted) {
    if (accepted.no_worker && !std::exchange(warned_, true)) {
      context_.terminal.Complain(
          fmt::format("{}:{}: no worker runs its type of its queue yet; it waits, as others may: "
                      "treadle task explain {}",
                      name_, line, accepted.task_id));
    }
    if (code_ == ExitCode::kReaderGone) return;
    ExitCode printed = ExitCode::kOk;
    if (context_.json()) {
      printed = context_.Print(
          Json{{"line", line},
               {"task_id", accepted.task_id},
               {"durability", DurabilityName(static_cast<v1::Durability>(accepted.durability))},
               {"existing", accepted.existing},
               {"no_worker", accepted.no_worker}});
    } else {
      printed = context_.Print(accepted.task_id + "\n");
    }
    if (printed == ExitCode::kOk) return;
    code_ = printed;
    on_failure_();
  }
  ExitCode FailLocked(int64_t line, const absl::Status& status) {
    context_.terminal.Complain(
        fmt::format("{}:{}: {}", name_, line, std::string(status.message())));
    if (code_ == ExitCode::kOk) code_ = ExitCodeFor(status);
    on_failure_();
    return code_;
  }

  const Context& context_;
  const std::string name_;
  const std::function<void()> on_failure_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<int64_t, Future<Payload>>> pending_;  // GUARDED_BY(mutex_)
  bool ended_ = false;                                       // GUARDED_BY(mutex_)
  ExitCode code_ = ExitCode::kOk;                            // GUARDED_BY(mutex_)
  int64_t accepted_ = 0;                                     // GUARDED_BY(mutex_)
  bool warned_ = false;                                      // GUARDED_BY(mutex_)
  std::thread thread_;
};

// Submits through one client until there is no more, or the next client's turn has come. True: it
// has.
bool SubmitSome(Client& client, Reader& reader, Answers& answers) {
  std::optional<Executor> executor;  // of the latest queue
  for (int64_t sent = 0; sent < kTasksPerClient; ++sent) {
    std::optional<NumberedLine> line = reader.Next();
    if (!line.has_value()) return false;
    if (!line->task.ok()) {
      answers.AwaitAll();
      answers.Fail(line->number, line->task.status());
      return false;
    }
    BatchLine::Task& task = *line->task;
    if (!executor.has_value() || executor->options().queue != task.queue) {
      executor.emplace(client, ExecutorOptions(task.queue));
    }
    answers.Add(line->number, executor->SubmitRaw(task.draft.options, task.draft.type,
                                                  std::move(task.draft.payload)));
  }
  return true;
}

}  // namespace

ExitCode SubmitBatch(Context& context, const SubmitFlags& flags, const std::string& path) {
  if (absl::Status s = context.CheckOutput({"table", "json", "jsonl", "name", "quiet"},
                                           "treadle submit --batch prints ids");
      !s.ok()) {
    return context.Fail(s);
  }
  const auto reader = std::make_shared<Reader>(context.terminal, path, flags);
  if (path != "-") {
    if (absl::Status s = OpenFile(path, reader->file); !s.ok()) return context.Fail(s);
  }
  Answers answers(context, path == "-" ? "standard input" : path, [&] { reader->Stop(); });
  absl::Status status = answers.Start();
  bool started = false;
  bool more = true;
  while (status.ok() && more) {
    auto client = context.Connect(PatientFor(flags));
    if (!client.ok()) {
      reader->Stop();
      return context.FailCall(client.status());
    }
    if (!std::exchange(started, true)) {
      std::thread thread;
      status = internal::StartThread("reading lines", thread, [reader] { Reader::Run(reader); });
      if (!status.ok()) break;
      thread.detach();
    }
    Interrupt::Scope on_interrupt(context.interrupt, [&] {
      reader->Stop();
      (*client)->Shutdown();
    });
    more = SubmitSome(**client, *reader, answers);
    answers.AwaitAll();
  }
  reader->Stop();
  answers.Finish();
  if (!status.ok()) return context.Fail(status);
  if (context.interrupt.fired()) {
    context.terminal.Complain(fmt::format(
        "interrupted after {} tasks; with a request_key in each line it is safe to submit the file "
        "again",
        answers.accepted()));
    return ExitCode::kInterrupted;
  }
  return answers.code();
}

}  // namespace treadle::cli
