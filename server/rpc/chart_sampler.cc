#include "server/rpc/chart_sampler.h"

#include <utility>

namespace treadle::rpc {
namespace {

// Queues that one turn of the broker is kept from going on by: a fraction of a millisecond.
constexpr int64_t kCountedAtOnce = 500;

}  // namespace

struct ChartSampler::Look {
  engine::Census census{.together = true};
};

ChartSampler::ChartSampler(broker::Intake& broker, Pulse& pulse, const Clock& clock, Charts& charts)
    : broker_(broker), pulse_(pulse), clock_(clock), charts_(charts) {}

void ChartSampler::Start() {
  // The broker may be stuck with the last one.
  if (!looks_.exchange(true)) Go(std::make_shared<Look>());
  const int64_t step_ms = charts_.step_ms();
  pulse_.After(step_ms - clock_.NowMs() % step_ms, [this] { Start(); });
}

void ChartSampler::Go(std::shared_ptr<Look> look) {
  broker_.Visit([this, look = std::move(look)](const broker::View& view) mutable {
    view.engine.Continue(look->census, kCountedAtOnce, view.now_ms);
    if (look->census.next == engine::Census::Next::kQueues) return Go(std::move(look));
    charts_.Add({.at_ms = view.now_ms,
                 .queues = std::move(look->census.others),
                 .turns = view.Figures().turns});
    looks_ = false;
  });
}

}  // namespace treadle::rpc
