#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "treadle/codec.h"
#include "treadle/future.h"
#include "treadle/internal/chunk.h"
#include "treadle/internal/next_iterator.h"
#include "treadle/timeout.h"

namespace treadle {

struct MapOptions {
  MapOptions() {}

  // For the whole map, from its call on.
  Timeout timeout = kForever;
  // Inputs that travel and run together as one task, from 1. Worth it for calls of microseconds.
  // All results of a chunk come, or fail, together; it is retried as one. Needs workers in C++, and
  // a handler that is no coroutine: others refuse it with INVALID_ARGUMENT.
  size_t chunksize = 1;
  // At most so many tasks are submitted ahead of the results that were taken; inputs are then read
  // as results are. 0: all are submitted at once.
  size_t buffersize = 0;
};

// One task of a map, and what it will give.
template <typename R>
class MapTask {
 public:
  static MapTask Single(Future<R> future) { return MapTask(std::move(future), 0); }
  static MapTask Chunk(client::FutureStateRef state, size_t items) {
    return MapTask(Future<R>(std::move(state)), items);
  }

  const FutureBase& future() const { return future_; }

  // Its results, in the order of the inputs. REQUIRES: done.
  std::deque<ResultOf<R>> Results() const {
    std::deque<ResultOf<R>> results;
    if (items_ == 0) {
      results.push_back(future_.Result());
      return results;
    }
    const absl::StatusOr<Payload> answer = Future<Payload>(future_.state()).Result();
    const absl::StatusOr<std::vector<Payload>> decoded =
        answer.ok() ? internal::ReadChunk(*answer, items_) : answer.status();
    for (size_t i = 0; i < items_; ++i) {
      if (!decoded.ok()) {
        results.push_back(decoded.status());
      } else {
        results.push_back(DecodeResult<R>((*decoded)[i].bytes, (*decoded)[i].content_type));
      }
    }
    return results;
  }

 private:
  MapTask(Future<R> future, size_t items) : future_(std::move(future)), items_(items) {}

  Future<R> future_;
  size_t items_;  // of its chunk; 0: it is not one
};

// The results of a Map, in the order of the inputs, each waited for when it is asked for:
//
//   for (absl::StatusOr<int>& square : executor.Map(kSquare, numbers)) ...
//
// When the timeout passes, the next result is DEADLINE_EXCEEDED without a TaskError, and the last.
// Then, and when it is destroyed between its first result and its last, what is not done is
// cancelled, as in Python. One thread; iterated once.
template <typename R>
class [[nodiscard]] MapResults {
 public:
  // `source` gives the next task, none after the last.
  using Source = absl::AnyInvocable<std::optional<MapTask<R>>()>;

  MapResults(Source source, const MapOptions& options)
      : source_(std::move(source)),
        buffersize_(options.buffersize),
        deadline_(DeadlineAfter(options.timeout)) {
    Fill();
  }
  MapResults(MapResults&& other) noexcept = default;
  MapResults& operator=(MapResults&& other) noexcept = delete;
  ~MapResults() {
    if (begun_) CancelRest();
  }

// g++ 12 takes the value of a StatusOr that may hold an error for one that is read unset.
#pragma GCC diagnostic push
#ifndef __clang__  // which knows no such warning
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
  // The next result; none after the last.
  std::optional<ResultOf<R>> Next() {
    begun_ = true;
    while (ready_.empty()) {
      Fill();
      if (tasks_.empty()) return std::nullopt;
      const FutureBase& first = tasks_.front().future();
      if (!first.Done() && !first.Wait(TimeLeft()).ok() && !first.Done()) return TimeOut();
      ready_ = tasks_.front().Results();
      tasks_.pop_front();
      Fill();
    }
    ResultOf<R> result = std::move(ready_.front());
    ready_.pop_front();
    return result;
  }
#pragma GCC diagnostic pop

  using Iterator = internal::NextIterator<MapResults, ResultOf<R>>;
  Iterator begin() { return Iterator(*this, current_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  void Fill() {
    while (source_ && (buffersize_ == 0 || tasks_.size() < buffersize_)) {
      std::optional<MapTask<R>> task = source_();
      if (task.has_value()) {
        tasks_.push_back(*std::move(task));
      } else {
        source_ = nullptr;
      }
    }
  }

  Timeout TimeLeft() const {
    if (deadline_ == std::chrono::steady_clock::time_point::max()) return kForever;
    return deadline_ - std::chrono::steady_clock::now();
  }

  ResultOf<R> TimeOut() {
    CancelRest();
    return absl::DeadlineExceededError(
        "the map's timeout passed, and what was not done is cancelled: give it longer, or less");
  }

  void CancelRest() {
    source_ = nullptr;
    for (const MapTask<R>& task : tasks_) task.future().Cancel();
    tasks_.clear();
  }

  Source source_;
  size_t buffersize_;
  std::chrono::steady_clock::time_point deadline_;
  bool begun_ = false;
  std::deque<MapTask<R>> tasks_;
  std::deque<ResultOf<R>> ready_;
  std::optional<ResultOf<R>> current_;
};

}  // namespace treadle
