#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "tests/worker/pool/stage.h"
#include "treadle/internal/coroutine_handler.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using StagePtr = std::shared_ptr<Stage>;

AttemptResult Done(std::string bytes = {}) {
  return AttemptResult::Succeeded(std::move(bytes), "");
}

asio::awaitable<void> Sleep(std::chrono::nanoseconds duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(duration);
  co_await timer.async_wait(asio::use_awaitable);
}

// Until it is true, whoever wants it to stop.
asio::awaitable<void> Until(std::function<bool()> condition) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  while (!condition()) co_await Sleep(milliseconds(1));
}

asio::awaitable<AttemptResult> Echo(StagePtr, TaskContext&, std::string payload) {
  co_return AttemptResult::Succeeded(std::move(payload), "text/plain");
}

asio::awaitable<AttemptResult> Wait(StagePtr stage, TaskContext&, std::string) {
  std::function<bool()> open = [stage] { return stage->door_open.load(); };
  co_await Until(std::move(open));
  co_return Done("waited");
}

asio::awaitable<AttemptResult> WaitForStop(StagePtr, TaskContext& context, std::string) {
  try {
    co_await Sleep(kGenerous);
  } catch (const std::system_error&) {
    co_return AttemptResult::Failed("Told", std::string(ToString(context.stop_reason())));
  }
  co_return AttemptResult::Failed("NotTold", "");
}

asio::awaitable<AttemptResult> Meet(StagePtr stage, TaskContext&, std::string payload) {
  ++stage->present;
  std::function<bool()> all = [stage, people = std::stoi(payload)] {
    return stage->present >= people;
  };
  co_await Until(std::move(all));
  co_return Done("met");
}

asio::awaitable<AttemptResult> Count(StagePtr stage, TaskContext&, std::string) {
  const int running = ++stage->running;
  int seen = stage->most_running;
  while (seen < running && !stage->most_running.compare_exchange_weak(seen, running)) {
  }
  co_await Sleep(std::chrono::nanoseconds(0));
  --stage->running;
  co_return Done();
}

asio::awaitable<AttemptResult> Throw(StagePtr, TaskContext&, std::string) {
  throw std::out_of_range("no such row");
  co_return Done();
}

asio::awaitable<AttemptResult> Mark(StagePtr stage, TaskContext&, std::string) {
  ++stage->marks;
  stage->process = ::getpid();
  co_return Done();
}

asio::awaitable<AttemptResult> Report(StagePtr, TaskContext& context, std::string) {
  context.ReportProgress(0.5, "half way");
  co_return Done();
}

asio::awaitable<AttemptResult> SayToAll(StagePtr, TaskContext& context, std::string) {
  SayAll(context);
  co_return Done("said");
}

asio::awaitable<AttemptResult> DescribeTask(StagePtr, TaskContext& context, std::string) {
  co_return Done(Describe(context));
}

asio::awaitable<AttemptResult> Block(StagePtr stage, TaskContext&, std::string) {
  WaitUntil([&] { return stage->door_open.load(); });
  co_return Done();
}

asio::awaitable<AttemptResult> Nap(StagePtr, TaskContext&, std::string payload) {
  co_await Sleep(milliseconds(std::stoi(payload)));
  co_return Done();
}

}  // namespace

void AddStageCoroutines(Handlers& handlers, const StagePtr& stage) {
  const auto add = [&](std::string_view type, auto* function) {
    handlers.AddCoroutine(type, std::make_shared<CoroutineHandler>(
                                    [stage, function](TaskContext& context, std::string payload) {
                                      return function(stage, context, std::move(payload));
                                    }));
  };
  add("echo", Echo);
  add("wait", Wait);
  add("wait_for_stop", WaitForStop);
  add("meet", Meet);
  add("count", Count);
  add("throw", Throw);
  add("mark", Mark);
  add("report", Report);
  add("say", SayToAll);
  add("describe", DescribeTask);
  add("block", Block);
  add("nap", Nap);
}

}  // namespace treadle::worker
