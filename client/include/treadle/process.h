#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/status.h"

#include "treadle/executor.h"
#include "treadle/future.h"

namespace treadle {

// One task on some worker, and no thread of this process: the handle that Python has for a thread,
// to start it and wait for it. It waits for a worker before it runs, and may run again when its
// worker is lost. Handlers give no results through it; Submit does that.
//
//   treadle::Process process(executor, kResize, "photo.png");
//   process.Start();
//   process.Join();
//
// Thread-safe. The executor's client outlives it. Destroying it leaves the task alone.
class Thread {
 public:
  template <typename R, typename... Args>
  Thread(const Executor& executor, const TaskType<R(Args...)>& type,
         const std::decay_t<Args>&... args)
      : name_(type.name()),
        start_([executor, type, arguments = std::tuple<std::decay_t<Args>...>(args...)] {
          return std::apply(
              [&](const auto&... argument) -> FutureBase {
                return executor.Submit(type, argument...);
              },
              arguments);
        }) {}
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // Submits the task. FAILED_PRECONDITION: it was started before. What else goes wrong Join says.
  absl::Status Start();
  // Waits for its end: OK however it ended. FAILED_PRECONDITION: it was never started.
  // DEADLINE_EXCEEDED: the timeout passed first. Otherwise it never became a task, as at
  // Future::Result.
  absl::Status Join(Timeout timeout = kForever) const;
  // Started and not ended.
  bool IsAlive() const;
  // The task's type.
  const std::string& name() const { return name_; }
  // The task's id; empty: not accepted yet.
  std::string Ident() const;

 protected:
  // None: not started.
  std::optional<FutureBase> task() const;

 private:
  const std::string name_;
  const std::function<FutureBase()> start_;

  mutable std::mutex mutex_;
  std::optional<FutureBase> task_;  // protected by mutex_
};

// One task on some worker, and no child process of this one: a Thread that can be stopped, and says
// how it ended. Whether it runs in a process of its own the worker says (Worker::Handle).
class Process : public Thread {
 public:
  using Thread::Thread;

  // None: not ended. 0: it succeeded. -15: it was cancelled. -N: signal N ended the child
  // process or program that ran it. A program's own status for `exec` tasks. 1: any other failure;
  // Error says which.
  std::optional<int> ExitCode() const;
  // None: not ended, or it succeeded.
  std::optional<TaskError> Error() const;
  // Cancels it: a running handler is told to stop, a program gets SIGTERM. FAILED_PRECONDITION: not
  // started.
  absl::Status Terminate();
};

}  // namespace treadle
