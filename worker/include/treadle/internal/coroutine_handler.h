#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>

#include "treadle/internal/handler.h"

namespace treadle::worker {

// Runs one attempt as a coroutine on an Asio event loop, which must not be blocked. A request to
// stop cancels the operation that it awaits. May throw.
struct CoroutineHandler {
  using Function = std::function<asio::awaitable<AttemptResult>(TaskContext&, std::string payload)>;

  explicit CoroutineHandler(Function function) : call(std::move(function)) {}

  const Function call;
};

// The same for pools of threads and processes: each run has an event loop of its own, on the thread
// that it occupies.
Handler BlockingHandler(std::shared_ptr<const CoroutineHandler> handler);

}  // namespace treadle::worker
