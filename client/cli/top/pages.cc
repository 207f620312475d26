#include "client/cli/top/pages.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/console/human.h"
#include "client/cli/console/json.h"
#include "client/cli/dead_letter_view.h"
#include "client/cli/outcome.h"
#include "client/cli/queue_view.h"
#include "client/cli/worker_view.h"
#include <fmt/format.h>

namespace treadle::cli::top {
namespace {

constexpr int kNumberWidth = 6;  // numbers that grow do not move the columns
constexpr int kNameWidth = 16;
constexpr int kWorkersRowsMin = 4;  // a blank, two titles, one worker
constexpr int kAttentionRowsMin = 3;
constexpr int kTrendWidth = 30;
constexpr int kTrendDrop = 100;  // the first column to go

// The rows that are shown: the one of `height` to which the selected one belongs.
struct Window {
  size_t first = 0;
  size_t end = 0;

  Window(size_t count, size_t selected, int height) {
    const auto rows = static_cast<size_t>(std::max(1, height));
    first = selected / rows * rows;
    end = std::min(count, first + rows);
  }
};

template <typename T>
Table TableOf(const View<T>& view) {
  std::vector<Table::Column> heads = HeadsOf(view, /*wide=*/false);
  for (Table::Column& head : heads) {
    if (head.align == kRight) head.width_min = kNumberWidth;
  }
  heads.front().width_min = kNameWidth;
  return Table(std::move(heads));
}

// "QUEUES  21-40 of 10000, by queued, with 'mail'".
std::string Title(const std::string& what, const Window& window, size_t count,
                  const std::string& rest) {
  const std::string rows = window.first == 0 && window.end == count
                               ? std::to_string(count)
                               : fmt::format("{}-{} of {}", window.first + 1, window.end, count);
  return what + "  " + rows + rest;
}

std::string With(const Model& model) {
  return model.filter().empty() ? "" : fmt::format(", with '{}'", Printable(model.filter()));
}

// A titled list in at most `rows`; a row of it is selected where `selects`.
template <typename T>
Lines List(const Canvas& canvas, const View<T>& view, const std::vector<const T*>& things,
           const std::string& what, const std::string& rest, int rows, size_t selected,
           bool selects) {
  const Window window(things.size(), selected, rows - 2);
  Lines lines = {canvas.Line(Title(what, window, things.size(), rest), Style::kBold)};
  if (things.empty()) return lines;
  Table table = TableOf(view);
  for (size_t i = window.first; i < window.end; i++) {
    table.Add(CellsOf(view, *things[i], /*wide=*/false));
  }
  Append(canvas.Of(table, selects ? std::optional(selected - window.first) : std::nullopt),
         rows - 1, lines);
  return lines;
}

Lines Queues(const Model& model, const Canvas& canvas, int rows) {
  View<v1::Queue> view = kQueueView;
  view.columns.push_back(
      {{"OUT LATELY", kRight, false, kTrendDrop}, [&model](const v1::Queue& queue) {
         return Sparkline(model.trends().Out(queue.config().name()), kTrendWidth);
       }});
  if (!canvas.keys) view.columns.pop_back();  // one poll has no trend
  return List(canvas, view, model.queues(), "QUEUES",
              fmt::format(", by {}{}", SortName(model.sort()), With(model)), rows, model.selected(),
              true);
}

Lines Workers(const Model& model, const Canvas& canvas, int rows) {
  const bool own_page = model.page() == Page::kWorkers;
  return List(canvas, kWorkerView, model.workers(), "WORKERS", own_page ? With(model) : "", rows,
              own_page ? model.selected() : 0, own_page);
}

Lines Groups(const Model& model, const Canvas& canvas, int rows) {
  const bool own_page = model.page() == Page::kDead;
  const std::string more = model.snapshot()->more_groups ? ", the largest" : "";
  return List(canvas, kDeadLetterGroupView, model.groups(), "DEAD-LETTER GROUPS",
              more + (own_page ? With(model) : ""), rows, own_page ? model.selected() : 0,
              own_page);
}

Lines Overview(const Model& model, const Canvas& canvas) {
  int rows = canvas.rows;
  Lines lines;
  // One alone stands in the header, and in little room the first one.
  if (model.attention().size() > 1 && rows / 3 >= kAttentionRowsMin) {
    Lines attention = {canvas.Line("NEEDS ATTENTION", Style::kBold)};
    for (const Attention& one : model.attention()) {
      attention.push_back(canvas.Line((one.urgent ? "! " : "- ") + one.text,
                                      one.urgent ? Style::kRed : Style::kYellow));
    }
    Append(std::move(attention), rows / 3, lines);
    lines.emplace_back();
    rows -= static_cast<int>(lines.size());
  }
  int workers = std::min(static_cast<int>(model.workers().size()) + 3, rows / 3);
  if (workers < kWorkersRowsMin) workers = 0;
  Append(Queues(model, canvas, rows - workers), rows - workers, lines);
  if (workers > 0) {
    lines.emplace_back();
    Append(Workers(model, canvas, workers - 1), workers - 1, lines);
  }
  return lines;
}

std::string Rate(double rate, const std::vector<double>& trend, int64_t covered_ms,
                 const Canvas& canvas) {
  const std::string now = HumanRate(rate);
  if (covered_ms == 0) return now;
  const int width = canvas.columns == 0 ? 60 : std::clamp(canvas.columns - 45, 10, 60);
  return fmt::format("{:<9}{}  in the last {}", now, Sparkline(trend, width),
                     HumanDuration(covered_ms * std::min<int64_t>(width, trend.size()) /
                                   static_cast<int64_t>(trend.size())));
}

Sheet SheetOf(const v1::Queue& queue, const Model& model, const Canvas& canvas) {
  const v1::QueueStats& stats = queue.stats();
  const v1::QueueConfig& config = queue.config();
  const Trends& trends = model.trends();
  const int64_t covered_ms = trends.CoveredMs(config.name());
  Sheet sheet;
  if (!queue.pause_reason().empty()) sheet.Add("because", Printable(queue.pause_reason()));
  if (queue.resume_at_ms() != 0) {
    sheet.Add("resumes", "in " + HumanTimeLeft(queue.resume_at_ms()));
  }
  sheet.Add("queued", fmt::format("{}{}", HumanNumber(stats.queued()),
                                  stats.oldest_age_ms() > 0
                                      ? ", the oldest for " + HumanDuration(stats.oldest_age_ms())
                                      : ""));
  sheet.Add("scheduled", HumanNumber(stats.scheduled()));
  sheet.Add("running", HumanNumber(stats.running()));
  sheet.Add("in", Rate(stats.submitted_per_second(), trends.In(config.name()), covered_ms, canvas));
  sheet.Add("out",
            Rate(stats.finished_per_second(), trends.Out(config.name()), covered_ms, canvas));
  sheet.Add("room",
            fmt::format("{} of {} tasks, {} of {}", HumanNumber(stats.queued() + stats.scheduled()),
                        HumanNumber(config.max_tasks()), HumanBytes(stats.waiting_bytes()),
                        HumanBytes(config.max_bytes())));
  if (stats.waiting_submitters() > 0) {
    sheet.Add("submitters", fmt::format("{} wait for room", stats.waiting_submitters()));
  }
  sheet.Add("ended",
            fmt::format("{} succeeded, {} failed, {} cancelled, {} expired, {} retried",
                        HumanNumber(stats.succeeded_total()), HumanNumber(stats.failed_total()),
                        HumanNumber(stats.cancelled_total()), HumanNumber(stats.expired_total()),
                        HumanNumber(stats.retried_total())));
  const v1::DeadLetterPolicy& kept = config.dead_letters();
  sheet.Add("dead letters",
            fmt::format("{} of {} tasks, {} of {}", HumanNumber(stats.dead_letters()),
                        HumanNumber(kept.max_tasks()), HumanBytes(stats.dead_letter_bytes()),
                        HumanBytes(kept.max_bytes())));
  return sheet;
}

Lines OldestTasks(const Snapshot& snapshot, const Canvas& canvas) {
  Table table({{"TASK"}, {"TYPE"}, {"STATE", Table::Align::kLeft, true}, {"AGE", kRight}, {"WHY"}});
  for (const v1::ExplainTaskResponse& explained : snapshot.oldest) {
    const v1::Task& task = explained.task();
    table.Add({task.task_id(), task.type(), StateName(task.state()),
               HumanAge(task.submitted_at_ms()),
               explained.reasons().empty() ? "" : explained.reasons(0).text()});
  }
  return canvas.Of(table);
}

Lines QueuePage(const Model& model, const Canvas& canvas) {
  const v1::Queue* const queue = model.opened();
  const std::string name = Printable(model.opened_name());
  if (queue == nullptr) return {canvas.Line(fmt::format("There is no queue '{}' any more.", name))};
  Lines lines = {canvas.Line(
      canvas.Parts({"QUEUE  " + name, DisciplineName(queue->config().discipline()),
                    QueueState(*queue) +
                        (queue->paused() ? " for " + HumanAge(queue->paused_at_ms()) : "")}),
      Style::kBold)};
  const auto left = [&] { return canvas.rows - static_cast<int>(lines.size()); };
  Append(canvas.Of(SheetOf(*queue, model, canvas)), left(), lines);
  if (left() < 4) return lines;
  lines.emplace_back();
  if (!model.opened_is_known()) {
    lines.push_back(canvas.Line("asking for its tasks ..."));
    return lines;
  }
  const Snapshot& snapshot = *model.snapshot();
  const char* const title = !snapshot.oldest.empty() ? "OLDEST TASKS"
                            : snapshot.more_oldest   ? "NONE OF THE BROKER'S OLDEST TASKS"
                                                     : "NO UNFINISHED TASKS";
  lines.push_back(canvas.Line(title, Style::kBold));
  if (!snapshot.oldest.empty()) Append(OldestTasks(snapshot, canvas), left(), lines);
  if (left() < 4 || model.groups().empty()) return lines;
  lines.emplace_back();
  const int rows = left();
  Append(Groups(model, canvas, rows), rows, lines);
  return lines;
}

Lines Help(const Canvas& canvas) {
  constexpr std::array<const char*, 16> kText = {
      "KEYS",
      "j k, arrows, PgUp PgDn   move;  gg G, Home End  first and last",
      "Enter                    open the queue",
      "/                        show what has this text in its name; Escape: all",
      "s                        sort queues: name, queued, running, rate, age, failed",
      "p                        pause the queue, or resume it; asks first",
      "r                        ask every 1, 2, 5 or 15 s",
      "g o   g q   g w   g d    overview, queues, workers, dead-letter groups",
      "q, Escape                back; at the first page: quit",
      "Ctrl-Z                   stop for a while; fg goes on",
      "",
      "COLUMNS",
      "OLDEST   how long the first task that could run has waited",
      "IN, OUT  tasks submitted and ended, the mean of the last 10 s",
      "FAILED   since the broker started;  DEAD  failed tasks that are kept",
      "SLOTS    tasks that a worker can run at once"};
  Lines lines;
  for (const char* text : kText) lines.push_back(canvas.Line(text));
  return lines;
}

}  // namespace

Lines DrawPage(const Model& model, const Canvas& canvas) {
  if (canvas.rows <= 0) return {};
  Lines lines;
  if (model.page() == Page::kHelp) {
    Append(Help(canvas), canvas.rows, lines);
    return lines;
  }
  if (model.snapshot() == nullptr) return {canvas.Line("asking " + model.broker() + " ...")};
  Lines page;
  switch (model.page()) {
    case Page::kOverview:
      page = Overview(model, canvas);
      break;
    case Page::kQueues:
      page = Queues(model, canvas, canvas.rows);
      break;
    case Page::kQueue:
      page = QueuePage(model, canvas);
      break;
    case Page::kWorkers:
      page = Workers(model, canvas, canvas.rows);
      break;
    case Page::kDead:
      page = model.snapshot()->detail.groups
                 ? Groups(model, canvas, canvas.rows)
                 : Lines{canvas.Line("asking for the dead-letter groups ...")};
      break;
    case Page::kHelp:
      break;
  }
  Append(std::move(page), canvas.rows, lines);
  return lines;
}

}  // namespace treadle::cli::top
