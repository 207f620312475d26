#include "client/cli/top/draw.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/console/human.h"
#include "client/cli/top/pages.h"
#include <fmt/format.h>

#include "proto/support/units.h"

namespace treadle::cli::top {
namespace {

std::string BrokerLine(const Model& model, const Canvas& canvas) {
  if (model.snapshot() == nullptr) return "treadle top  " + model.broker();
  const v1::ServerInfo& server = model.snapshot()->server;
  return canvas.Parts({model.broker(), "treadle " + server.version(),
                       "up " + HumanDuration(server.now_ms() - server.started_at_ms()),
                       server.store() + " store", HumanCount(server.queues(), "queue"),
                       HumanCount(server.workers(), "worker"),
                       HumanCount(server.sessions(), "session")});
}

std::string TotalsLine(const Model& model, const Canvas& canvas) {
  if (model.snapshot() == nullptr) return "";
  int64_t queued = 0;
  int64_t scheduled = 0;
  int64_t running = 0;
  int64_t dead = 0;
  double in = 0;
  double out = 0;
  for (const v1::Queue& queue : model.snapshot()->queues) {
    const v1::QueueStats& stats = queue.stats();
    queued += stats.queued();
    scheduled += stats.scheduled();
    running += stats.running();
    dead += stats.dead_letters();
    in += stats.submitted_per_second();
    out += stats.finished_per_second();
  }
  int64_t slots = 0;
  for (const v1::Worker& worker : model.snapshot()->workers) {
    for (const v1::WorkerPoolStats& pool : worker.pools()) slots += pool.slots();
  }
  return canvas.Parts({"running " + HumanNumber(running), "slots " + HumanNumber(slots),
                       "queued " + HumanNumber(queued), "in " + HumanRate(in),
                       "out " + HumanRate(out), "scheduled " + HumanNumber(scheduled),
                       "dead " + HumanNumber(dead)});
}

std::string HealthLine(const Model& model, const Canvas& canvas, int64_t stale_ms) {
  if (stale_ms > 0 || !model.lost().empty()) {
    const std::string since = stale_ms > 0 ? " for " + HumanDuration(stale_ms) : "";
    return canvas.Line(fmt::format("! not reached{}: {}", since,
                                   model.lost().empty() ? "no answer" : Printable(model.lost())),
                       Style::kRed);
  }
  if (model.snapshot() == nullptr) return "";
  if (model.attention().empty()) return canvas.Line("all is well", Style::kGreen);
  const Attention& first = model.attention().front();
  const size_t more = model.attention().size() - 1;
  const std::string count = more == 0 ? "" : fmt::format(" (and {} more)", more);
  const int width = canvas.columns - DisplayWidth(count);
  const std::string text = (first.urgent ? "! " : "- ") + first.text;
  return canvas.Line((canvas.columns == 0 ? text : CutToWidth(text, width)) + count,
                     first.urgent ? Style::kRed : Style::kYellow);
}

// The page's, as many as fit.
std::string Keys(const Model& model, const Canvas& canvas) {
  const std::string every = "r every " + FormatDurationMs(model.interval_ms());
  const std::string go = "g o|q|w|d";
  switch (model.page()) {
    case Page::kQueue:
      return canvas.Parts({"q back", "p pause", "? keys", every, go});
    case Page::kHelp:
      return canvas.Parts({"q back"});
    case Page::kWorkers:
      return canvas.Parts({"q quit", "/ find", "? keys", every, go});
    case Page::kDead:
      return canvas.Parts({"q quit", "/ find", "Enter opens its queue", "? keys", every, go});
    case Page::kOverview:
    case Page::kQueues:
      break;
  }
  return canvas.Parts({"q quit", "/ find", "Enter opens", "? keys",
                       std::string("s by ") + SortName(model.sort()), "p pause", every, go});
}

std::string LastLine(const Model& model, const Canvas& canvas) {
  if (!model.Question().empty()) return canvas.Line(model.Question(), Style::kReverse);
  if (model.typing()) {
    return canvas.Line("/" + model.filter() + "_   Enter keeps it, Escape drops it");
  }
  if (!model.said().empty()) return canvas.Line(model.said(), Style::kBold);
  return canvas.Line(Keys(model, canvas));
}

}  // namespace

Lines Draw(const Model& model, const Canvas& canvas, int64_t now_ms) {
  const int64_t stale_ms = model.StaleMs(now_ms);
  const bool dim = canvas.styles && stale_ms > 0;
  Canvas below = canvas;
  if (dim) below.styles = below.colour = false;
  Lines lines = {canvas.Line(BrokerLine(model, canvas), dim ? Style::kDim : Style::kBold),
                 dim ? canvas.Line(TotalsLine(model, canvas), Style::kDim)
                     : canvas.Line(TotalsLine(model, canvas)),
                 HealthLine(model, canvas, stale_ms)};
  if (canvas.rows > 12) lines.emplace_back();
  below.rows = canvas.rows - static_cast<int>(lines.size()) - (canvas.keys ? 1 : 0);
  for (std::string& line : DrawPage(model, below)) {
    lines.push_back(dim && !line.empty() ? Paint(Style::kDim, line) : std::move(line));
  }
  if (!canvas.keys) return lines;
  const auto rows = static_cast<size_t>(canvas.rows);
  lines.resize(rows == 0 ? 0 : rows - 1);
  if (rows > 0) lines.push_back(LastLine(model, canvas));
  return lines;
}

}  // namespace treadle::cli::top
