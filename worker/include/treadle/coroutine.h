#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>

#include "treadle/internal/coroutine_handler.h"
#include "treadle/internal/typed_handler.h"

// Include this where handlers are coroutines:
//
//   asio::awaitable<std::string> Fetch(treadle::TaskContext& context, std::string url);
//   worker.Handle(kFetch, Fetch);
//
// - They run on one event loop, whose executor is co_await asio::this_coro::executor; make timers,
//   sockets and whatever else with that one. Never block the loop: no TaskContext::SleepFor, no
//   mutex held over a co_await. A handler that does is named in the worker's log.
// - When the task is to stop, the operation that is awaited is cancelled: it throws
//   asio::error::operation_aborted, and so does every co_await after it. What a coroutine that was
//   told to stop returns counts as for other handlers.
// - g++ 12 destroys some temporaries in a co_await expression twice: a lambda with captures, or an
//   aggregate, as an argument there. Name them first:
//     auto condition = [this] { return done_; };
//     co_await Until(std::move(condition));
// - A lambda with captures may be a handler: it is kept as long as it runs.

namespace treadle::worker {

template <typename R, typename Arguments, typename F>
asio::awaitable<AttemptResult> RunCoroutine(std::shared_ptr<F> function, TaskContext& context,
                                            std::string payload) {
  // It is told to stop by an operation that ends early: it cannot help looking.
  static_cast<void>(context.stop_token());
  absl::StatusOr<Arguments> arguments =
      TakeArguments<Arguments>(std::move(payload), context.content_type());
  // The same bytes would not be decoded the next time either.
  if (!arguments.ok()) co_return AttemptResult::FromStatus(Permanent(arguments.status()));
  // In this frame, for handlers that take references.
  Arguments& taken = *arguments;
  auto call = [&](auto&&... argument) {
    return std::invoke(*function, context, std::move(argument)...);
  };
  auto running = std::apply(call, taken);
  using Value = typename decltype(running)::value_type;
  if constexpr (std::is_void_v<Value>) {
    co_await std::move(running);
    co_return RunTyped<R>(context, [] {});
  } else {
    Value value = co_await std::move(running);
    co_return RunTyped<R>(context, [&]() -> Value { return std::move(value); });
  }
}

template <typename R, typename Arguments, typename F>
std::shared_ptr<const CoroutineHandler> TypedCoroutine(F function) {
  return std::make_shared<const CoroutineHandler>(
      [function = std::make_shared<F>(std::move(function))](TaskContext& context,
                                                            std::string payload) {
        return RunCoroutine<R, Arguments>(function, context, std::move(payload));
      });
}

}  // namespace treadle::worker
