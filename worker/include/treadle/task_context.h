#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/headers.h"
#include "treadle/stop_reason.h"

namespace treadle {

class Client;

namespace worker {
class Attempt;
class AttemptEvents;
class ClientSlot;
}  // namespace worker

// What a handler may know and do about the task that it runs. Lives as long as the handler's call.
// Thread-safe.
class TaskContext {
 public:
  TaskContext(worker::Attempt& attempt, worker::AttemptEvents& events, worker::ClientSlot& client)
      : attempt_(attempt), events_(events), client_(client) {}
  TaskContext(const TaskContext&) = delete;
  TaskContext& operator=(const TaskContext&) = delete;

  const std::string& task_id() const;
  const std::string& queue() const;
  const std::string& type() const;
  int32_t priority() const;
  // Which attempt this is, from 1.
  int32_t attempt() const;
  int32_t max_attempts() const;
  // As submitted: trace context, for example.
  const Headers& headers() const;
  // W3C trace context: the span of this attempt, as the broker writes it, so that what the handler
  // calls can be its child. The task's tracestate goes with it. Empty: the task was submitted
  // without a traceparent, or with one that is not valid.
  std::string traceparent() const;
  // Of the payload.
  const std::string& content_type() const;

  // Asks the handler to stop: the task was cancelled, its time is over, its lease is lost, or the
  // worker shuts down; stop_reason() says which. A handler that never looks runs to its end.
  //
  // What a handler that was told to stop then returns: a result counts as the result (but for an
  // attempt that overran its timeout, which has failed); an error or an exception counts as "it
  // stopped"; and so does the return of a `void` handler that has looked at the token, since it may
  // have left its work undone. Stop callbacks run on a thread of Treadle's own: keep them short.
  std::stop_token stop_token() const;
  bool stop_requested() const;
  StopReason stop_reason() const;
  // Sleeps; false: woken by a request to stop.
  bool SleepFor(std::chrono::nanoseconds duration) const;

  // When the handler will be told to stop: the earlier of the attempt's timeout and the task's
  // deadline. None: nothing bounds it.
  std::optional<std::chrono::steady_clock::time_point> deadline() const;
  // Until then, zero when it has passed. None: nothing bounds it.
  std::optional<std::chrono::milliseconds> time_left() const;

  // Shown to those who watch the task. Cheap: the latest report is sent a few times a second, the
  // others are dropped. `fraction` is from 0 to 1, or negative when it is not known; `message` is
  // cut at 1 KiB.
  void ReportProgress(double fraction, std::string_view message = {});

  // The task's output: those who follow the task read it while it runs, and afterwards as long as
  // its outcome is kept. The broker keeps some MiB of each task's (its --task-output-max).
  //
  // Log, LogStandardError and Emit leave what they are given to the worker, which sends it at once,
  // and again when a connection is lost. They return at once unless this attempt is 1 MiB ahead of
  // what the broker has stored, or all of the worker's are 64 MiB ahead together; then they wait,
  // as long as the broker is away, say, but no longer than until the attempt is told to stop. (A
  // coroutine that waits here holds up its event loop.) What finds no room after that, or is said
  // under a lease that is lost, is dropped without a word.

  // A line of the handler's log, or several; UTF-8 as a rule. More than 1 MiB goes as several
  // entries.
  void Log(std::string_view text);
  // What a program that the handler runs has written to its standard error, as it comes: any bytes,
  // cut anywhere.
  void LogStandardError(std::string_view bytes);
  // A part of the result, for those who do not want to wait for all of it. Encoded as a result of
  // its type is; text as std::string, and Bytes and Payload as they are. A part that cannot be
  // encoded, or has more than 1 MiB then, or a content type of more than 255 bytes, throws
  // PermanentError, which fails the task.
  template <typename T>
  void Emit(const T& part) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      EmitEncoded(EncodeResult<std::string>(std::string(std::string_view(part))));
    } else {
      EmitEncoded(EncodeResult<T>(part));
    }
  }
  void Emit(Payload part) { EmitEncoded(std::move(part)); }

  // The client that WorkerOptions::connect_client makes, one for all handlers of the process; the
  // first call waits until it is connected.
  //
  //   Executor executor(context.client(), "thumbnails");
  //   executor.Submit(kShrink, path).Result();
  //
  // What the handler submits through it, on its own thread, is a child of its task: it has the
  // task's headers, but for those of its own; the task's deadline, as near as clocks allow, unless
  // its own is earlier or it has a request key, whose content is to be the same in each attempt;
  // and it is cancelled when the task is cancelled while the handler runs. SubmitOptions::detached
  // makes an exception. A posted task (Executor::Post) is not cancelled: nobody follows it. When an
  // attempt ends otherwise, by an error, a timeout or a lost lease, children go on, and the next
  // attempt submits its own: a request key makes them the same.
  //
  // Throws, which fails the attempt: PermanentError when there is no connect_client, and
  // std::runtime_error when it failed. A handler that waits for its children holds its slot
  // meanwhile: let them run elsewhere, or leave slots for them.
  Client& client() const;

  // The handler was told to stop and has looked: if it returned nothing, it may have done nothing.
  bool may_have_stopped() const;

 private:
  void EmitEncoded(absl::StatusOr<Payload> part);

  worker::Attempt& attempt_;
  worker::AttemptEvents& events_;
  worker::ClientSlot& client_;
  mutable std::atomic<bool> looked_{false};
};

}  // namespace treadle
