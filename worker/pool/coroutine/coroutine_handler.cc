#include "treadle/internal/coroutine_handler.h"

#include <exception>
#include <optional>
#include <stop_token>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

namespace treadle::worker {
namespace {

AttemptResult Run(const CoroutineHandler& handler, TaskContext& context, std::string payload) {
  asio::cancellation_signal cancel;
  asio::io_context loop(1);
  std::exception_ptr thrown;
  AttemptResult result;
  const auto done = [&](std::exception_ptr error, AttemptResult returned) {
    thrown = std::move(error);
    result = std::move(returned);
    // Whatever else the handler may have left there.
    loop.stop();
  };
  asio::co_spawn(loop, handler.call(context, std::move(payload)),
                 asio::bind_cancellation_slot(cancel.slot(), done));
  const std::stop_callback told(context.stop_token(), [&] {
    asio::post(loop, [&cancel] { cancel.emit(asio::cancellation_type::all); });
  });
  loop.run();
  if (thrown) std::rethrow_exception(thrown);
  return result;
}

}  // namespace

Handler BlockingHandler(std::shared_ptr<const CoroutineHandler> handler) {
  return [handler = std::move(handler)](TaskContext& context, std::string payload) {
    return Run(*handler, context, std::move(payload));
  };
}

}  // namespace treadle::worker
