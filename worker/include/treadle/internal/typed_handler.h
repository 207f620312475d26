#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/internal/chunk.h"
#include "treadle/internal/handler.h"
#include "treadle/internal/run_chunk.h"
#include "treadle/permanent_error.h"
#include "treadle/task_context.h"

// From typed handlers to those that the pools run.

namespace treadle::worker {

// What a handler's return type carries: T of T and absl::StatusOr<T>, void of void and
// absl::Status.
template <typename T>
struct PlainResultOf {
  using Type = T;
};
template <typename T>
struct PlainResultOf<absl::StatusOr<T>> {
  using Type = T;
};
template <>
struct PlainResultOf<absl::Status> {
  using Type = void;
};
template <typename T>
using PlainResult = typename PlainResultOf<std::decay_t<T>>::Type;

template <typename T>
inline constexpr bool kIsStatusOr = false;
template <typename T>
inline constexpr bool kIsStatusOr<absl::StatusOr<T>> = true;

// What F(context, arguments...) returns.
template <typename F, typename Arguments>
struct ReturnOf;
template <typename F, typename... Args>
struct ReturnOf<F, std::tuple<Args...>> {
  using Type = std::invoke_result_t<F&, TaskContext&, Args...>;
};

// asio::awaitable<T>, known by its shape, so that only those who use it include Asio.
template <typename T>
concept Awaitable = requires {
  typename T::value_type;
  typename T::executor_type;
}
&&!std::is_void_v<typename T::executor_type>;

template <typename F, typename Arguments>
inline constexpr bool kIsCoroutine = Awaitable<typename ReturnOf<F, Arguments>::Type>;

// T of asio::awaitable<T> and of T.
template <typename T>
struct AwaitedOf {
  using Type = T;
};
template <Awaitable T>
struct AwaitedOf<T> {
  using Type = typename T::value_type;
};

// treadle/coroutine.h has it: include that where handlers are coroutines.
template <typename R, typename Arguments, typename F>
std::shared_ptr<const CoroutineHandler> TypedCoroutine(F function);

// Bytes that travel as they are, are moved rather than copied.
template <typename Arguments>
absl::StatusOr<Arguments> TakeArguments(std::string payload, const std::string& content_type) {
  if constexpr (std::is_same_v<Arguments, std::tuple<Payload>>) {
    return Arguments(Payload(std::move(payload), content_type));
  } else if constexpr (std::is_same_v<Arguments, std::tuple<Bytes>>) {
    return Arguments(Bytes(std::move(payload)));
  } else {
    return DecodeArguments<Arguments>(payload, content_type);
  }
}

inline AttemptResult ToResult(Payload payload) {
  return AttemptResult::Succeeded(std::move(payload.bytes), std::move(payload.content_type));
}

template <typename R>
AttemptResult ToResult(R value) {
  if constexpr (std::is_same_v<R, Bytes>) {
    return AttemptResult::Succeeded(std::move(value.data), std::string(kBytesContentType));
  }
  absl::StatusOr<Payload> payload = EncodeResult<R>(value);
  if (!payload.ok()) return AttemptResult::FromStatus(payload.status());
  return ToResult(*std::move(payload));
}

// Calls `call` and makes its return value a result of type R.
template <typename R, typename Call>
AttemptResult RunTyped(TaskContext& context, Call call) {
  using Returned = std::invoke_result_t<Call>;
  if constexpr (std::is_void_v<Returned>) {
    static_assert(std::is_void_v<R>, "the handler returns nothing, and its task type has a result");
    call();
    return context.may_have_stopped() ? AttemptResult::Stopped() : AttemptResult::Succeeded({}, {});
  } else if constexpr (std::is_same_v<std::decay_t<Returned>, AttemptResult>) {
    return call();
  } else if constexpr (std::is_same_v<std::decay_t<Returned>, absl::Status>) {
    static_assert(std::is_void_v<R>,
                  "the handler returns no value, and its task type has a result");
    const absl::Status status = call();
    return status.ok() ? AttemptResult::Succeeded({}, {}) : AttemptResult::FromStatus(status);
  } else if constexpr (kIsStatusOr<std::decay_t<Returned>>) {
    static_assert(std::is_convertible_v<PlainResult<Returned>, R>,
                  "the handler's result does not convert to that of its task type");
    auto value = call();
    if (!value.ok()) return AttemptResult::FromStatus(value.status());
    return ToResult(static_cast<R>(*std::move(value)));
  } else {
    static_assert(std::is_convertible_v<Returned, R>,
                  "the handler's result does not convert to that of its task type");
    return ToResult(static_cast<R>(call()));
  }
}

// Decodes the arguments, calls F(context, arguments...), encodes the result; once for each item of
// a chunk.
template <typename R, typename Arguments, typename F>
Handler TypedHandler(F function) {
  // Shared, so that functions which cannot be copied are handlers too.
  return [function = std::make_shared<F>(std::move(function))](TaskContext& context,
                                                               std::string payload) {
    const auto call = [&](std::string item, const std::string& content_type) {
      absl::StatusOr<Arguments> arguments = TakeArguments<Arguments>(std::move(item), content_type);
      // The same bytes would not be decoded the next time either.
      if (!arguments.ok()) return AttemptResult::FromStatus(Permanent(arguments.status()));
      return RunTyped<R>(context, [&] {
        return std::apply(
            [&](auto&&... argument) {
              return std::invoke(*function, context, std::move(argument)...);
            },
            *std::move(arguments));
      });
    };
    if (context.content_type() == internal::kChunkContentType)
      return RunChunk(context, payload, call);
    return call(std::move(payload), context.content_type());
  };
}

}  // namespace treadle::worker
