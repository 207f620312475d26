#include "client/cli/console/worker_hint.h"

#include <chrono>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/client/fake_broker.h"

namespace treadle::cli {
namespace {

using namespace std::chrono_literals;

// Ctrl-C and a timeout end a command: it must not wait for the hint's answer then.
TEST(WorkerHint, AQuestionThatNobodyAnswersIsBrokenOff) {
  FakeBroker broker;
  broker.ListNeverAnswered();
  ClientOptions options = broker.Options();
  options.call_timeout = 1h;
  const auto connected = broker.Connect(options);
  std::istringstream in;
  std::ostringstream out, err;
  Terminal terminal{in, out, err};
  Interrupt interrupt;
  const Context context{terminal, interrupt};
  {
    const WorkerHint hint(
        context, *connected.first, [] { return v1::Task(); },
        [](const std::string& text) { ADD_FAILURE() << text; });
    while (broker.workers_asked() == 0) std::this_thread::sleep_for(1ms);
  }
}

}  // namespace
}  // namespace treadle::cli
