#include "tests/worker/pool/guarded.h"

#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "tests/worker/pool/recording_events.h"
#include "tests/worker/pool/stage.h"
#include "worker/pool/process/guard.h"
#include "worker/pool/process/process_pool.h"

namespace treadle::worker {

void RunGuarded(std::string_view how) {
  const std::shared_ptr<Guard> guard = *Guard::Start();
  const std::shared_ptr<Stage> stage = Stage::Found();
  stage->guard = guard->process();
  const auto handlers = std::make_shared<Handlers>();
  AddStageHandlers(*handlers, stage);
  const auto events = std::make_shared<RecordingEvents>();
  if (how == "pool") {
    ProcessPoolOptions options;
    options.guard = guard;
    const auto pool = *ProcessPool::Start(options, handlers, events);
    std::vector<AttemptPtr> attempts = {NewAttempt(1, "program")};
    TREADLE_ASSERT(pool->Submit(attempts) == 1);
    while (true) ::pause();
  }
  Guard::Place place = *guard->Enter();
  TREADLE_ASSERT(StartProgram(*stage, place));
  TREADLE_ASSERT(WaitUntil([&stage] { return stage->door_open.load(); }));
  ::_exit(3);
}

}  // namespace treadle::worker
