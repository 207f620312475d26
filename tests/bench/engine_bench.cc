// The engine alone, for tests/bench/instructions.py, which counts what its three steps execute:
// tasks are submitted, given to a worker, and completed, BATCH in each turn.
//
//   engine_bench BATCH TASKS
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <variant>
#include <vector>

#include "server/engine/engine.h"

namespace treadle::engine {
namespace {

constexpr CallId kClient{1};
constexpr CallId kWorker{2};
constexpr int64_t kNowMs = 1'000;

Submit Task(uint64_t session, uint64_t sequence) {
  Submit submit;
  submit.call = kClient;
  submit.item = sequence;
  submit.id = TaskId{session, sequence};
  submit.sequenced = true;
  submit.spec.queue = "bench";
  submit.spec.type = "noop";
  submit.spec.payload_bytes = 100;
  return submit;
}

}  // namespace

// Each is a function of its own that callgrind can tell by its name: what it makes is freed by who
// calls it.
extern "C" {
[[gnu::noinline]] void engine_bench_submit(Engine& engine, std::vector<Command>& submits,
                                           Effects& effects) {
  for (Command& submit : submits) engine.Step(kNowMs, std::move(submit), effects);
  engine.Tick(kNowMs, effects);
}
[[gnu::noinline]] void engine_bench_dispatch(Engine& engine, AddCredit credit, Effects& effects) {
  engine.Step(kNowMs, credit, effects);
  engine.Tick(kNowMs, effects);
}
[[gnu::noinline]] void engine_bench_complete(Engine& engine, std::vector<Command>& ends,
                                             Effects& effects) {
  for (Command& end : ends) engine.Step(kNowMs, std::move(end), effects);
  engine.Tick(kNowMs, effects);
}
}

namespace {

// The commands that complete what was given out.
std::vector<Command> EndsOf(const Effects& effects) {
  std::vector<Command> ends;
  for (const Output& output : effects.outputs) {
    const auto* const dispatched = std::get_if<Dispatched>(&output.event);
    if (dispatched == nullptr) continue;
    for (const Lease& lease : dispatched->leases) {
      ends.emplace_back(EndAttempt{.call = kWorker, .token = lease.token});
    }
  }
  return ends;
}

int Run(int64_t batch, int64_t tasks) {
  Engine engine{EngineOptions()};
  Effects effects;
  engine.Step(kNowMs, BeginLife{Incarnation{1}}, effects);
  engine.Step(kNowMs, OpenSession{kClient}, effects);
  AttachWorker attach;
  attach.call = kWorker;
  attach.worker_id = "bench";
  attach.queues = {"bench"};
  attach.pools = {PoolSpec{"thread", 1, {}}};
  engine.Step(kNowMs, std::move(attach), effects);
  engine.Tick(kNowMs, effects);
  uint64_t session = 0;
  for (const Output& output : effects.outputs) {
    if (const auto* const opened = std::get_if<SessionOpened>(&output.event)) {
      session = opened->session;
    }
  }
  int64_t completed = 0;
  for (int64_t submitted = 0; submitted < tasks; submitted += batch) {
    std::vector<Command> submits;
    for (int64_t i = 1; i <= batch; ++i) {
      submits.emplace_back(Task(session, static_cast<uint64_t>(submitted + i)));
    }
    effects = Effects();
    engine_bench_submit(engine, submits, effects);
    effects = Effects();
    engine_bench_dispatch(engine, AddCredit{kWorker, 0, static_cast<int32_t>(batch)}, effects);
    std::vector<Command> ends = EndsOf(effects);
    completed += static_cast<int64_t>(ends.size());
    effects = Effects();
    engine_bench_complete(engine, ends, effects);
  }
  if (completed == tasks && engine.Totals().unfinished_tasks == 0) return 0;
  std::fprintf(stderr, "engine_bench: %lld of %lld tasks were completed\n",
               static_cast<long long>(completed), static_cast<long long>(tasks));
  return 1;
}

}  // namespace
}  // namespace treadle::engine

int main(int argc, char** argv) {
  const int64_t batch = argc == 3 ? std::atoll(argv[1]) : 0;
  const int64_t tasks = argc == 3 ? std::atoll(argv[2]) : 0;
  if (batch < 1 || tasks < batch || tasks % batch != 0) {
    std::fprintf(stderr, "engine_bench: usage: engine_bench BATCH TASKS, whole batches\n");
    return 2;
  }
  return treadle::engine::Run(batch, tasks);
}
