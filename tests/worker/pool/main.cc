#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/worker/pool/guarded.h"
#include "tests/worker/pool/stage.h"
#include "worker/pool/process/parent_link.h"
#include "worker/pool/process/pool_child.h"

namespace treadle::worker {
namespace {

// What the children's initializer does, as the test wants it.
void InitializeChild(int number) {
  const char* const wish = std::getenv("TREADLE_TEST_CHILD");
  const std::string_view what = wish == nullptr ? "" : wish;
  if (what == "throw") throw std::runtime_error("no licence");
  if (what == "crash") std::abort();
  if (what == "hang") {
    Stage::Found()->child = ::getpid();
    while (true) ::pause();
  }
  if (what == "crash_later" && Stage::Found()->door_open) std::abort();
  // It is ready all the same, and ends when it looks for its first task.
  if (what == "deaf_later" && Stage::Found()->door_open) ::shutdown(kChildSocket, SHUT_RD);
  ::setenv("TREADLE_TEST_NUMBER", std::to_string(number).c_str(), 1);
}

}  // namespace
}  // namespace treadle::worker

// The tests, or a child of one of the pools that they start.
int main(int argc, char** argv) {
  using treadle::worker::Handlers;
  if (treadle::worker::ParentLink::Exists()) {
    Handlers handlers;
    treadle::worker::AddStageHandlers(handlers, treadle::worker::Stage::Found());
    treadle::worker::ServeParent(handlers, treadle::worker::InitializeChild);
  }
  if (const char* const how = std::getenv(treadle::worker::kGuardedVariable)) {
    treadle::worker::RunGuarded(how);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
