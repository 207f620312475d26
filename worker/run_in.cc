#include "treadle/run_in.h"

namespace treadle {

std::string_view ToString(RunIn run_in) {
  switch (run_in) {
    case RunIn::kThread:
      return "thread";
    case RunIn::kProcess:
      return "process";
    case RunIn::kCoroutine:
      return "coroutine";
    case RunIn::kAuto:
      return "auto";
  }
  return "unknown";
}

std::optional<RunIn> RunInFrom(std::string_view word) {
  for (const RunIn run_in : {RunIn::kThread, RunIn::kProcess, RunIn::kCoroutine, RunIn::kAuto}) {
    if (ToString(run_in) == word) return run_in;
  }
  return std::nullopt;
}

}  // namespace treadle
