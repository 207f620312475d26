// The engine alone, for tests/bench/instructions.py, which counts what its three steps execute:
// tasks are submitted, given to a worker, and completed, BATCH in each turn. With `run` a turn's
// tasks are one submit, and what was leased together is one report.
//
//   engine_bench [run] BATCH TASKS
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "server/engine/engine.h"

namespace treadle::engine {
namespace {

constexpr CallId kClient{1};
constexpr CallId kWorker{2};
constexpr int64_t kNowMs = 1'000;
constexpr uint32_t kPayloadBytes = 100;

Submit Task(uint64_t session, uint64_t sequence) {
  Submit submit;
  submit.call = kClient;
  submit.item = sequence;
  submit.id = TaskId{session, sequence};
  submit.sequenced = true;
  submit.spec.queue = "bench";
  submit.spec.type = "noop";
  submit.spec.payload_bytes = kPayloadBytes;
  return submit;
}

// Of the tasks from this sequence on.
std::vector<Command> Submits(uint64_t session, uint64_t first, int64_t tasks, bool run) {
  std::vector<Command> submits;
  if (run) {
    Submit submit = Task(session, first);
    submit.payload_sizes.assign(static_cast<size_t>(tasks), kPayloadBytes);
    submit.spec.payload_bytes *= submit.tasks();
    submits.emplace_back(std::move(submit));
    return submits;
  }
  for (int64_t i = 0; i < tasks; ++i) {
    submits.emplace_back(Task(session, first + static_cast<uint64_t>(i)));
  }
  return submits;
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

// The commands that complete what was given out; adds how many tasks that was.
std::vector<Command> EndsOf(const Effects& effects, int64_t& tasks) {
  std::vector<Command> ends;
  for (const Output& output : effects.outputs) {
    const auto* const dispatched = std::get_if<Dispatched>(&output.event);
    if (dispatched == nullptr) continue;
    for (const Lease& lease : dispatched->leases) {
      EndAttempt end{.call = kWorker, .token = lease.token};
      if (lease.tasks > 1) end.result_sizes.assign(lease.tasks, 0);
      ends.emplace_back(std::move(end));
      tasks += lease.tasks;
    }
  }
  return ends;
}

int Run(bool run, int64_t batch, int64_t tasks) {
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
    std::vector<Command> submits =
        Submits(session, static_cast<uint64_t>(submitted + 1), batch, run);
    effects = Effects();
    engine_bench_submit(engine, submits, effects);
    effects = Effects();
    engine_bench_dispatch(engine, AddCredit{kWorker, 0, static_cast<int32_t>(batch)}, effects);
    std::vector<Command> ends = EndsOf(effects, completed);
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
  const bool run = argc > 1 && std::string_view(argv[1]) == "run";
  const int numbers = run ? 2 : 1;
  const int64_t batch = argc == numbers + 2 ? std::atoll(argv[numbers]) : 0;
  const int64_t tasks = argc == numbers + 2 ? std::atoll(argv[numbers + 1]) : 0;
  if (batch < 1 || tasks < batch || tasks % batch != 0) {
    std::fprintf(stderr, "engine_bench: usage: engine_bench [run] BATCH TASKS, whole batches\n");
    return 2;
  }
  return treadle::engine::Run(run, batch, tasks);
}
