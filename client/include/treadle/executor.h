#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "treadle/client.h"
#include "treadle/codec.h"
#include "treadle/future.h"
#include "treadle/internal/chunk.h"
#include "treadle/map_results.h"
#include "treadle/milliseconds.h"
#include "treadle/submit_options.h"
#include "treadle/task_type.h"

namespace treadle {

struct ExecutorOptions {
  // A queue's name is options enough: Executor(client, "cpu").
  ExecutorOptions(std::string queue_in) : queue(std::move(queue_in)) {}
  ExecutorOptions(std::string_view queue_in) : queue(queue_in) {}
  ExecutorOptions(const char* queue_in) : queue(queue_in) {}

  // The queue that takes the tasks.
  std::string queue;
  // For every submit that names no options of its own.
  SubmitOptions submit;
  // When no worker has served a task type for so long while futures of it were pending, these are
  // cancelled and end with a broken-pool error (IsBrokenPool), and later submits of that type
  // through this executor end so at once. Zero: never; tasks wait for workers to come.
  //
  // The client asks the broker for its workers, a few times in that span, on a thread of the
  // executor's own. What it cannot know: workers of the unary calls (Lease) are in no list, so they
  // count only while tasks of the queue run or end; a queue that is paused, or whose workers are
  // all busy with other work, is not broken; and while the broker is away nothing is.
  Milliseconds broken_after{0};
};

template <typename Signature>
class BoundTask;
class RunningTask;

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

  // Submits a task whose end nobody here waits for. The future is done when the broker has accepted
  // the task, or refused it, and this client keeps nothing of it from then on. Its Cancel is as any
  // future's until then.
  template <typename R, typename... Args>
  Future<Acceptance> Post(const TaskType<R(Args...)>& type,
                          const std::decay_t<Args>&... args) const {
    return Future<Acceptance>(SendPost(nullptr, type.name(), EncodeArguments(args...)));
  }
  template <typename R, typename... Args>
  Future<Acceptance> Post(const SubmitOptions& submit, const TaskType<R(Args...)>& type,
                          const std::decay_t<Args>&... args) const {
    return Future<Acceptance>(SendPost(&submit, type.name(), EncodeArguments(args...)));
  }
  Future<Acceptance> PostRaw(std::string_view type, Payload payload) const;
  Future<Acceptance> PostRaw(const SubmitOptions& submit, std::string_view type,
                             Payload payload) const;

  // Submits a task for each input, in their order: a batch costs client, wire and broker less than
  // its tasks one by one. Returns when all are handed over to the client's sender, which is after
  // the first ones were sent when they are more than the client's window holds. For types of
  // several arguments an input is a tuple of them. With options:
  // executor.With(options).SubmitAll(...).
  template <typename R, typename... Args, typename Inputs>
  std::vector<Future<R>> SubmitAll(const TaskType<R(Args...)>& type, Inputs&& inputs) const {
    return SendAll<Future<R>>(type.name(), EncodeAll<Args...>(inputs), /*post=*/false);
  }
  // Posts one for each.
  template <typename R, typename... Args, typename Inputs>
  std::vector<Future<Acceptance>> PostAll(const TaskType<R(Args...)>& type, Inputs&& inputs) const {
    return SendAll<Future<Acceptance>>(type.name(), EncodeAll<Args...>(inputs), /*post=*/true);
  }

  // The same executor (a Shutdown of one is both's), whose submits have these options unless they
  // name their own.
  Executor With(SubmitOptions submit) const;

  // Submit as a function object: executor.Bind(kResize)("photo.png").
  template <typename R, typename... Args>
  BoundTask<R(Args...)> Bind(const TaskType<R(Args...)>& type) const {
    return BoundTask<R(Args...)>(*this, type);
  }

  // Encoded bytes in, encoded bytes out.
  Future<Payload> SubmitRaw(std::string_view type, Payload payload) const;
  Future<Payload> SubmitRaw(const SubmitOptions& submit, std::string_view type,
                            Payload payload) const;

  // Calls the handler with each input and gives the results in the order of the inputs, as
  // MapResults says. For types of several arguments an input is a tuple of them. An lvalue range
  // that is read as results are taken (MapOptions::buffersize) outlives the results.
  template <typename R, typename... Args, typename Inputs>
  MapResults<R> Map(const TaskType<R(Args...)>& type, Inputs&& inputs,
                    MapOptions options = MapOptions()) const {
    return MapResults<R>(MapSource(type, std::forward<Inputs>(inputs), options.chunksize), options);
  }

  // No submits any more: through this executor and its copies they end with FAILED_PRECONDITION.
  // `cancel_futures` cancels those that are not done; running handlers are told to stop, which
  // Python spares them. `wait` waits until all are done. Submits that other threads make meanwhile
  // may be missed by both, and so are tasks that were let go: posted, or accepted and of no future
  // that anybody holds; Python waits for these, too.
  void Shutdown(bool wait = true, bool cancel_futures = false);

  bool is_shut_down() const;
  // With the submit options of With.
  const ExecutorOptions& options() const;
  Client& client() const { return *client_; }

 private:
  struct Shared;
  struct Prepared;
  struct Task;
  friend class Pool;
  friend class internal::Submission;

  Executor(Client& client, std::shared_ptr<Shared> shared, ExecutorOptions options);

  // What a map submits, one task at a time.
  template <typename R, typename... Args, typename Inputs>
  typename MapResults<R>::Source MapSource(const TaskType<R(Args...)>& type, Inputs&& inputs,
                                           size_t chunksize) const {
    static_assert(sizeof...(Args) > 0, "a type without arguments has no inputs to map");
    using Range = std::views::all_t<Inputs>;
    struct Cursor {
      explicit Cursor(Range range_in)
          : range(std::move(range_in)), next(std::ranges::begin(range)) {}
      bool AtEnd() { return next == std::ranges::end(range); }
      absl::StatusOr<Payload> Take() {
        absl::StatusOr<Payload> payload = EncodeInput<Args...>(*next);
        ++next;
        return payload;
      }
      Range range;
      std::ranges::iterator_t<Range> next;
    };
    auto cursor = std::make_shared<Cursor>(std::views::all(std::forward<Inputs>(inputs)));
    return [executor = Traced(), type, cursor, chunksize]() -> std::optional<MapTask<R>> {
      if (cursor->AtEnd()) return std::nullopt;
      if (chunksize <= 1) {
        return MapTask<R>::Single(Future<R>(executor.Send(type.name(), cursor->Take())));
      }
      internal::ChunkWriter chunk;
      absl::Status status;
      size_t items = 0;
      for (; items < chunksize && !cursor->AtEnd(); ++items) {
        absl::StatusOr<Payload> input = cursor->Take();
        status.Update(input.ok() ? chunk.Add(*std::move(input)) : input.status());
      }
      absl::StatusOr<Payload> payload = chunk.Finish();
      if (!status.ok()) payload = status;
      return MapTask<R>::Chunk(executor.Send(type.name(), std::move(payload)), items);
    };
  }

  template <typename... Args, typename Input>
  static absl::StatusOr<Payload> EncodeInput(const Input& input) {
    const auto encode = [](const std::decay_t<Args>&... args) { return EncodeArguments(args...); };
    if constexpr (sizeof...(Args) == 1) {
      return encode(input);
    } else {
      return std::apply(encode, input);
    }
  }

  template <typename... Args, typename Inputs>
  static std::vector<absl::StatusOr<Payload>> EncodeAll(Inputs& inputs) {
    static_assert(sizeof...(Args) > 0, "a type without arguments has no inputs to submit");
    std::vector<absl::StatusOr<Payload>> payloads;
    if constexpr (std::ranges::sized_range<Inputs>) payloads.reserve(std::ranges::size(inputs));
    for (auto&& input : inputs) payloads.push_back(EncodeInput<Args...>(input));
    return payloads;
  }
  template <typename F>
  std::vector<F> SendAll(std::string_view type, std::vector<absl::StatusOr<Payload>> payloads,
                         bool post) const {
    std::vector<F> futures;
    futures.reserve(payloads.size());
    for (client::FutureStateRef& state : SendTasks(type, std::move(payloads), post)) {
      futures.push_back(F(std::move(state)));
    }
    return futures;
  }

  client::FutureStateRef Send(std::string_view type, absl::StatusOr<Payload> payload) const {
    return SendTask(nullptr, type, std::move(payload), /*post=*/false);
  }
  client::FutureStateRef Send(const SubmitOptions& submit, std::string_view type,
                              absl::StatusOr<Payload> payload) const {
    return SendTask(&submit, type, std::move(payload), /*post=*/false);
  }
  client::FutureStateRef SendPost(const SubmitOptions* submit, std::string_view type,
                                  absl::StatusOr<Payload> payload) const {
    return SendTask(submit, type, std::move(payload), /*post=*/true);
  }
  // `submit`: null for the executor's own.
  absl::StatusOr<Task> Prepare(const SubmitOptions* submit, std::string_view type,
                               absl::StatusOr<Payload> payload, bool post) const;
  client::FutureStateRef SendTask(const SubmitOptions* submit, std::string_view type,
                                  absl::StatusOr<Payload> payload, bool post) const;
  std::vector<client::FutureStateRef> SendTasks(std::string_view type,
                                                std::vector<absl::StatusOr<Payload>> payloads,
                                                bool post) const;
  // The same, whose tasks are of the trace that is current now, unless their options name one.
  Executor Traced() const;
  // `parent`: whose handler submits; null: none's.
  Headers OwnHeaders(const RunningTask* parent, bool child, std::string_view type,
                     const SubmitOptions& submit) const;

  Client* client_;
  std::shared_ptr<Shared> shared_;      // by copies and those of With
  std::shared_ptr<Prepared> prepared_;  // by copies
};

// One type's submit through an executor; Executor::Bind makes it.
template <typename R, typename... Args>
class BoundTask<R(Args...)> {
 public:
  BoundTask(Executor executor, const TaskType<R(Args...)>& type)
      : executor_(std::move(executor)), type_(type) {}

  Future<R> operator()(const std::decay_t<Args>&... args) const {
    return executor_.Submit(type_, args...);
  }

 private:
  Executor executor_;
  TaskType<R(Args...)> type_;
};

}  // namespace treadle
