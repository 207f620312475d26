#include "worker/placement/handler_stats.h"

#include <algorithm>
#include <string>

#include "proto/support/limits.h"

namespace treadle::worker {

HandlerStatsList WriteHandlerStats(const Handlers& handlers, const Placement& placement) {
  HandlerStatsList list;
  for (const std::string& type : handlers.Types()) {
    if (list.size() == limits::kHandlersMax) break;
    const HandlerShare share = HandlerShare::Of(*handlers.MeterOf(type));
    v1::HandlerStats& stats = *list.Add();
    stats.set_type(type);
    stats.set_pool(std::string(ToString(placement.PoolOf(type))));
    stats.set_runs(share.runs);
    stats.set_measured_runs(share.measured);
    stats.set_cpu_ms(std::max(share.cpu_ms, 0.0));
    stats.set_wall_ms(std::max(share.wall_ms, 0.0));
    stats.set_advice(placement.Advise(type, share));
  }
  return list;
}

bool Unchanged(const HandlerStatsList& before, const HandlerStatsList& now) {
  return std::equal(before.begin(), before.end(), now.begin(), now.end(),
                    [](const v1::HandlerStats& a, const v1::HandlerStats& b) {
                      return a.runs() == b.runs() && a.measured_runs() == b.measured_runs() &&
                             a.pool() == b.pool() && a.type() == b.type();
                    });
}

}  // namespace treadle::worker
