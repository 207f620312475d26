#include "worker/placement/placement.h"

#include <cmath>

#include "absl/strings/str_cat.h"

#include "proto/support/text.h"
#include "proto/task/handler_advice.h"

namespace treadle::worker {
namespace {

constexpr int64_t kRunsKnown = 16;
// Fewer, when they are long.
constexpr int64_t kLongRunsKnown = 3;
constexpr double kLongRunsMs = 2'000;
constexpr double kShareComputes = 0.5;
constexpr double kShareWaits = 0.2;
// A process costs a run some 15 us more than a thread.
constexpr double kCpuMsComputes = 0.3;

}  // namespace

HandlerShare HandlerShare::Of(const HandlerMeter& meter) {
  HandlerShare share;
  share.measured = meter.measured();  // first: never more than the runs
  share.runs = meter.runs();
  if (share.measured == 0) return share;
  const RunTimes times = meter.times();
  share.cpu_ms = static_cast<double>(times.cpu_ns) / 1e6 / static_cast<double>(share.measured);
  share.wall_ms = static_cast<double>(times.wall_ns) / 1e6 / static_cast<double>(share.measured);
  return share;
}

bool HandlerShare::known() const {
  return measured >= kRunsKnown ||
         (measured >= kLongRunsKnown && wall_ms * static_cast<double>(measured) >= kLongRunsMs);
}

bool HandlerShare::computes() const { return cpu() >= kShareComputes && cpu_ms >= kCpuMsComputes; }

absl::Status Placement::Put(std::string_view name, RunIn wish, Type& type) {
  if (wish == RunIn::kCoroutine && !type.coroutine) {
    return absl::InvalidArgumentError(
        absl::StrCat("type '", Absl(name),
                     "' shall run as a coroutine, and its handler is none: let it return "
                     "asio::awaitable, or choose thread, process or auto"));
  }
  type.undecided = wish == RunIn::kAuto && !type.coroutine;
  if (wish == RunIn::kAuto) wish = type.coroutine ? RunIn::kCoroutine : RunIn::kThread;
  type.pool = wish;
  return absl::OkStatus();
}

absl::Status Placement::Add(std::string_view type, RunIn wish, bool coroutine) {
  Type& added = types_[std::string(type)];
  added.coroutine = coroutine;
  return Put(type, wish, added);
}

absl::Status Placement::Override(std::string_view type, RunIn wish) {
  const auto it = types_.find(type);
  if (it != types_.end()) return Put(type, wish, it->second);
  return absl::InvalidArgumentError(
      absl::StrCat("run_in names type '", Absl(type), "', and there is no handler for it"));
}

RunIn Placement::PoolOf(std::string_view type) const {
  const auto it = types_.find(type);
  return it == types_.end() ? RunIn::kThread : it->second.pool;
}

std::vector<std::string> Placement::TypesIn(RunIn pool) const {
  std::vector<std::string> types;
  for (const auto& [name, type] : types_) {
    if (type.pool == pool) types.push_back(name);
  }
  return types;
}

bool Placement::Needs(RunIn pool) const {
  for (const auto& [name, type] : types_) {
    if (type.pool == pool || (type.undecided && pool == RunIn::kProcess)) return true;
  }
  return false;
}

bool Placement::Decide(const Handlers& handlers) {
  bool moved = false;
  for (auto& [name, type] : types_) {
    if (!type.undecided) continue;
    const HandlerShare share = HandlerShare::Of(*handlers.MeterOf(name));
    if (!share.known()) continue;
    type.undecided = false;
    if (!share.computes()) continue;
    type.pool = RunIn::kProcess;
    moved = true;
  }
  return moved;
}

v1::HandlerAdvice Placement::Advise(std::string_view name, const HandlerShare& share) const {
  if (!share.known()) return v1::HANDLER_ADVICE_TOO_FEW_RUNS;
  const RunIn pool = PoolOf(name);
  if (pool != RunIn::kProcess && share.computes()) return v1::HANDLER_ADVICE_PROCESS;
  if (pool == RunIn::kProcess && share.cpu() < kShareWaits)
    return v1::HANDLER_ADVICE_THREAD_OR_COROUTINE;
  return v1::HANDLER_ADVICE_STAY;
}

std::string Placement::Describe(std::string_view name, const HandlerShare& share) const {
  return absl::StrCat("handler '", Absl(name), "' ran ", share.runs, " times in ",
                      Absl(ToString(PoolOf(name))), ", ", std::round(share.wall_ms * 100) / 100,
                      " ms each, ", std::round(share.cpu() * 100),
                      " % of it computing: ", Absl(AdviceText(Advise(name, share))));
}

}  // namespace treadle::worker
