#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/client.h"
#include "treadle/executor.h"
#include "treadle/future.h"
#include "treadle/internal/next_iterator.h"
#include "treadle/map_results.h"
#include "treadle/wait.h"

// Python's multiprocessing.Pool over all workers that serve a queue. Where they run the calls, in
// threads or processes, is theirs to say (Worker::Handle).

namespace treadle {

// The results of a whole map, waited for together: multiprocessing.pool.AsyncResult of MapAsync.
// (The AsyncResult of ApplyAsync is a Future.) A handle. Thread-safe.
template <typename R>
class [[nodiscard]] MapResult {
 public:
  explicit MapResult(std::vector<MapTask<R>> tasks)
      : tasks_(std::make_shared<const std::vector<MapTask<R>>>(std::move(tasks))) {}

  // Waits for all, or for the first that fails, whose status it is then. DEADLINE_EXCEEDED without
  // a TaskError: the timeout passed; call again.
  absl::StatusOr<std::vector<R>> Get(Timeout timeout = kForever) const {
    const auto deadline = DeadlineAfter(timeout);
    DoneCollector collector;
    for (size_t i = 0; i < tasks_->size(); ++i) collector.Watch((*tasks_)[i].future(), i);
    for (size_t left = tasks_->size(); left > 0; --left) {
      const std::optional<size_t> done = collector.Next(deadline);
      if (!done.has_value()) {
        return absl::DeadlineExceededError("the map is not done: wait again, or longer");
      }
      absl::Status status = (*tasks_)[*done].future().Wait();
      if (!status.ok()) return status;
    }
    std::vector<R> values;
    for (const MapTask<R>& task : *tasks_) {
      for (absl::StatusOr<R>& result : task.Results()) {
        if (!result.ok()) return result.status();
        values.push_back(*std::move(result));
      }
    }
    return values;
  }

  // Until all are done; false: the timeout passed first.
  bool Wait(Timeout timeout = kForever) const {
    const auto deadline = DeadlineAfter(timeout);
    DoneCollector collector;
    for (size_t i = 0; i < tasks_->size(); ++i) collector.Watch(tasks_->at(i).future(), i);
    for (size_t left = tasks_->size(); left > 0; --left) {
      if (!collector.Next(deadline).has_value()) return false;
    }
    return true;
  }

  bool Ready() const {
    return std::all_of(tasks_->begin(), tasks_->end(),
                       [](const MapTask<R>& task) { return task.future().Done(); });
  }
  // FAILED_PRECONDITION: not ready.
  absl::StatusOr<bool> Successful() const {
    if (!Ready()) return absl::FailedPreconditionError("the map is not done: wait for it first");
    return std::all_of(tasks_->begin(), tasks_->end(),
                       [](const MapTask<R>& task) { return task.future().Wait().ok(); });
  }

 private:
  std::shared_ptr<const std::vector<MapTask<R>>> tasks_;
};

// The results of an ImapUnordered, each as soon as it is there. One thread; iterated once.
template <typename R>
class [[nodiscard]] UnorderedResults {
 public:
  explicit UnorderedResults(std::vector<MapTask<R>> tasks) : tasks_(std::move(tasks)) {
    for (size_t i = 0; i < tasks_.size(); ++i) collector_.Watch(tasks_[i].future(), i);
  }

  // None after the last. DEADLINE_EXCEEDED without a TaskError: no result within the timeout; call
  // again.
  std::optional<ResultOf<R>> Next(Timeout timeout = kForever) {
    while (ready_.empty()) {
      if (taken_ == tasks_.size()) return std::nullopt;
      const std::optional<size_t> done = collector_.Next(DeadlineAfter(timeout));
      if (!done.has_value()) {
        return absl::DeadlineExceededError("no result within the timeout: ask again");
      }
      ++taken_;
      ready_ = tasks_[*done].Results();
    }
    ResultOf<R> result = std::move(ready_.front());
    ready_.pop_front();
    return result;
  }

  using Iterator = internal::NextIterator<UnorderedResults, ResultOf<R>>;
  Iterator begin() { return Iterator(*this, current_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::vector<MapTask<R>> tasks_;
  DoneCollector collector_;
  size_t taken_ = 0;
  std::deque<ResultOf<R>> ready_;
  std::optional<ResultOf<R>> current_;
};

// A handle: copies are the same pool. Thread-safe. Errors of tasks are as at Future::Result.
//
// `chunksize`: so many inputs travel and run as one task (MapOptions::chunksize). 1 unless given;
// Python's map takes a fourth of each process's share, which only workers in C++ could do.
class Pool {
 public:
  // `client` outlives it.
  Pool(Client& client, ExecutorOptions options) : executor_(client, std::move(options)) {}

  template <typename R, typename... Args>
  ResultOf<R> Apply(const TaskType<R(Args...)>& type, const std::decay_t<Args>&... args) const {
    return executor_.Submit(type, args...).Result();
  }

  // The callbacks of Python's apply_async are Future::AddDoneCallback.
  template <typename R, typename... Args>
  Future<R> ApplyAsync(const TaskType<R(Args...)>& type, const std::decay_t<Args>&... args) const {
    return executor_.Submit(type, args...);
  }

  // All results in the order of the inputs, or the first failure.
  template <typename R, typename Arg, typename Inputs>
  absl::StatusOr<std::vector<R>> Map(const TaskType<R(Arg)>& type, Inputs&& inputs,
                                     size_t chunksize = 1) const {
    return MapAsync(type, std::forward<Inputs>(inputs), chunksize).Get();
  }
  template <typename R, typename Arg, typename Inputs>
  MapResult<R> MapAsync(const TaskType<R(Arg)>& type, Inputs&& inputs, size_t chunksize = 1) const {
    return MapResult<R>(SubmitAll(type, std::forward<Inputs>(inputs), chunksize));
  }

  // One result after the other, in the order of the inputs. All inputs are submitted at once.
  template <typename R, typename Arg, typename Inputs>
  MapResults<R> Imap(const TaskType<R(Arg)>& type, Inputs&& inputs, size_t chunksize = 1) const {
    MapOptions options;
    options.chunksize = chunksize;
    return executor_.Map(type, std::forward<Inputs>(inputs), options);
  }
  // One result after the other, in the order of their ends.
  template <typename R, typename Arg, typename Inputs>
  UnorderedResults<R> ImapUnordered(const TaskType<R(Arg)>& type, Inputs&& inputs,
                                    size_t chunksize = 1) const {
    return UnorderedResults<R>(SubmitAll(type, std::forward<Inputs>(inputs), chunksize));
  }

  // Map for types of several arguments: each input is a tuple of them.
  template <typename R, typename... Args, typename Inputs>
  absl::StatusOr<std::vector<R>> Starmap(const TaskType<R(Args...)>& type, Inputs&& inputs,
                                         size_t chunksize = 1) const {
    return StarmapAsync(type, std::forward<Inputs>(inputs), chunksize).Get();
  }
  template <typename R, typename... Args, typename Inputs>
  MapResult<R> StarmapAsync(const TaskType<R(Args...)>& type, Inputs&& inputs,
                            size_t chunksize = 1) const {
    return MapResult<R>(SubmitAll(type, std::forward<Inputs>(inputs), chunksize));
  }

  // No more work through this pool.
  void Close() { executor_.Shutdown(/*wait=*/false); }
  // Closes, and cancels what was not done. The workers go on; they are not the pool's.
  void Terminate() { executor_.Shutdown(/*wait=*/false, /*cancel_futures=*/true); }
  // Waits until all is done. FAILED_PRECONDITION: neither closed nor terminated.
  absl::Status Join();

 private:
  template <typename R, typename... Args, typename Inputs>
  std::vector<MapTask<R>> SubmitAll(const TaskType<R(Args...)>& type, Inputs&& inputs,
                                    size_t chunksize) const {
    auto source = executor_.MapSource(type, std::forward<Inputs>(inputs), chunksize);
    std::vector<MapTask<R>> tasks;
    while (std::optional<MapTask<R>> task = source()) tasks.push_back(*std::move(task));
    return tasks;
  }

  Executor executor_;
};

}  // namespace treadle
