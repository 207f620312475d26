#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/client.h"
#include "client/codec.h"
#include "client/future.h"
#include "client/submit_options.h"
#include "client/task_type.h"

namespace treadle {

struct ExecutorOptions {
  explicit ExecutorOptions(std::string queue_in) : queue(std::move(queue_in)) {}

  // The queue that takes the tasks.
  std::string queue;
  // For every submit that names no options of its own.
  SubmitOptions submit;
};

// The results of a Map, in the order of the inputs:
//
//   for (absl::StatusOr<int> square : executor.Map(kSquare, numbers)) ...
//
// Each step waits for that input's task.
template <typename R>
class [[nodiscard]] MapResults {
 public:
  explicit MapResults(std::vector<Future<R>> futures) : futures_(std::move(futures)) {}

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = ResultOf<R>;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = ResultOf<R>;

    Iterator() = default;
    ResultOf<R> operator*() const { return future_->Result(); }
    Iterator& operator++() {
      ++future_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++future_;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    friend MapResults;
    explicit Iterator(const Future<R>* future) : future_(future) {}
    const Future<R>* future_ = nullptr;
  };

  Iterator begin() const { return Iterator(futures_.data()); }
  Iterator end() const { return Iterator(futures_.data() + futures_.size()); }
  size_t size() const { return futures_.size(); }
  const std::vector<Future<R>>& futures() const { return futures_; }

 private:
  std::vector<Future<R>> futures_;
};

// Submits tasks to one queue. Cheap to make and to copy; every method may be called from any
// thread.
//
// A submit never fails by itself: what goes wrong, an argument that cannot be encoded included, is
// the future's status. It returns as soon as the task is handed over to the client's sender; it
// waits while the client's window is full (ClientOptions::window_tasks).
//
// Exactly once: a task whose submit was acknowledged is there once, however often the connection
// was lost on the way. See Future::Result for the one case in which the client cannot know.
class Executor {
 public:
  // `client` outlives the executor.
  Executor(Client& client, ExecutorOptions options);

  // executor.Submit(kSumSquares, 10'000'000). Arguments convert as in a call.
  template <typename R, typename... Args>
  Future<R> Submit(const TaskType<R(Args...)>& type, const std::decay_t<Args>&... args) const {
    return Future<R>(Send(type.name(), EncodeArguments(args...)));
  }

  // The same with options of its own, in place of the executor's.
  template <typename R, typename... Args>
  Future<R> Submit(const SubmitOptions& submit, const TaskType<R(Args...)>& type,
                   const std::decay_t<Args>&... args) const {
    return Future<R>(Send(submit, type.name(), EncodeArguments(args...)));
  }

  // Encoded bytes in, encoded bytes out.
  Future<Payload> SubmitRaw(std::string_view type, Payload payload) const;
  Future<Payload> SubmitRaw(const SubmitOptions& submit, std::string_view type,
                            Payload payload) const;

  // Submits one task for each input, all before it returns; results in the order of the inputs.
  template <typename R, typename Arg, typename Inputs>
  MapResults<R> Map(const TaskType<R(Arg)>& type, const Inputs& inputs) const {
    std::vector<Future<R>> futures;
    if constexpr (requires { std::size(inputs); }) futures.reserve(std::size(inputs));
    for (const auto& input : inputs) futures.push_back(Submit(type, input));
    return MapResults<R>(std::move(futures));
  }

  const ExecutorOptions& options() const;
  Client& client() const { return *client_; }

 private:
  struct Prepared;

  FutureStateRef Send(std::string_view type, absl::StatusOr<Payload> payload) const;
  FutureStateRef Send(const SubmitOptions& submit, std::string_view type,
                      absl::StatusOr<Payload> payload) const;

  Client* client_;
  std::shared_ptr<const Prepared> prepared_;
};

}  // namespace treadle
