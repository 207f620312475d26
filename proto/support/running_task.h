#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"

// Where worker and client library meet in one program, neither of which knows the other: a worker
// says whose handler runs on a thread, and the client asks when something is submitted there.

namespace treadle {

class Client;

// A task that is to be cancelled with the one whose handler has submitted it.
class ChildTask {
 public:
  virtual ~ChildTask() = default;
  // On any thread.
  virtual void Cancel() = 0;
};

// Those of one running task that have not ended. Thread-safe.
class ChildTasks {
 public:
  // Its parent was cancelled: cancelled at once. Its parent has ended: not kept.
  void Add(std::shared_ptr<ChildTask> child);
  // Null: it is not kept any more.
  std::shared_ptr<ChildTask> Remove(const ChildTask& child);

  // The parent was cancelled.
  void Cancel();
  // The parent has ended.
  void Close();

 private:
  using Children = absl::flat_hash_map<const ChildTask*, std::shared_ptr<ChildTask>>;

  std::mutex mutex_;
  Children children_;       // GUARDED_BY(mutex_)
  bool cancelled_ = false;  // GUARDED_BY(mutex_)
  bool closed_ = false;     // GUARDED_BY(mutex_)
};

// A task whose handler runs, as those see it that are submitted from there.
class RunningTask {
 public:
  using Headers = std::map<std::string, std::string, std::less<>>;

  // On the handler's thread, all five.
  virtual const Headers& headers() const = 0;
  // Of the attempt's span (trace_context.h); empty: the task has none that is valid.
  virtual std::string traceparent() const = 0;
  // Of the task. None: it has none.
  virtual std::optional<std::chrono::steady_clock::time_point> deadline() const = 0;
  // What is submitted through it are children. Null: there is none yet.
  virtual const Client* client() const = 0;
  virtual std::shared_ptr<ChildTasks> children() = 0;

  // Of this thread's task; null: no handler runs on it.
  static RunningTask* Here();

  // While it lives, `task`'s handler runs on this thread. Nests.
  class Scope {
   public:
    explicit Scope(RunningTask& task);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    RunningTask* const outer_;
  };

 protected:
  ~RunningTask() = default;
};

}  // namespace treadle
