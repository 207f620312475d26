#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/cli/console/full_screen.h"
#include "client/cli/context.h"
#include "client/cli/flags.h"
#include "client/cli/top/draw.h"
#include "client/cli/top/model.h"
#include "client/cli/top/poller.h"
#include "client/cli/view.h"
#include <CLI/CLI.hpp>

#include "proto/program/flags.h"
#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

constexpr int64_t kRowsInPipe = 50;
// The age of data that do not come is told anew so often.
constexpr std::chrono::seconds kRedrawEvery{1};

struct TopFlags {
  bool once = false;
  int64_t interval_ms = 2'000;
  int64_t rows = 0;
  std::string sort = top::SortName(top::Sort::kQueued);
};

int64_t NowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::vector<std::string> SortNames() {
  std::vector<std::string> names;
  for (const top::Sort sort : top::kSorts) names.emplace_back(top::SortName(sort));
  return names;
}

top::Model NewModel(const Context& context, const TopFlags& flags) {
  top::Model model(context.broker, flags.interval_ms);
  for (const top::Sort sort : top::kSorts) {
    if (flags.sort == top::SortName(sort)) model.SortBy(sort);
  }
  return model;
}

Json SnapshotJson(const top::Model& model) {
  Json attention = Json::array();
  for (const top::Attention& one : model.attention()) {
    attention.push_back({{"urgent", one.urgent}, {"text", one.text}});
  }
  Json queues = Json::array();
  for (const v1::Queue* queue : model.queues()) queues.push_back(ToJson(*queue));
  Json workers = Json::array();
  for (const v1::Worker* worker : model.workers()) workers.push_back(ToJson(*worker));
  return {{"broker", model.broker()},
          {"server", ToJson(model.snapshot()->server)},
          {"attention", std::move(attention)},
          {"queues", std::move(queues)},
          {"workers", std::move(workers)}};
}

ExitCode PrintOnce(const Context& context, Client& client, const TopFlags& flags) {
  top::Broker broker(client);
  absl::StatusOr<top::Snapshot> snapshot = broker.Ask({});
  if (!snapshot.ok()) return context.FailCall(snapshot.status());
  top::Model model = NewModel(context, flags);
  const int64_t now_ms = NowMs();
  model.Show(std::make_shared<const top::Snapshot>(*std::move(snapshot)), now_ms);
  if (!context.table()) return PrintObject(context, SnapshotJson(model));
  const bool terminal = context.terminal.out_columns() > 0;
  const int64_t rows = flags.rows > 0 ? flags.rows
                       : terminal     ? context.terminal.out_rows() - 1  // the prompt's
                                      : kRowsInPipe;
  const top::Canvas canvas = {
      .columns = context.output == "wide" ? 0 : context.terminal.out_columns(),
      .rows = static_cast<int>(rows),
      .styles = context.coloured(),
      .colour = context.coloured()};
  return context.Print(absl::StrJoin(top::Draw(model, canvas, now_ms), "\n") + "\n");
}

// Until a key or a signal ends it.
absl::StatusOr<ExitCode> Live(Context& context, Client& client, const TopFlags& flags) {
  absl::StatusOr<std::unique_ptr<FullScreen>> opened = FullScreen::Open();
  if (!opened.ok()) {
    return absl::InvalidArgumentError(std::string(opened.status().message()) +
                                      ": treadle top --once prints one screen and ends");
  }
  FullScreen& screen = **opened;
  top::Model model = NewModel(context, flags);
  const Interrupt::Scope on_interrupt(context.interrupt, [&screen] { screen.Wake(); });
  top::Broker broker(client);
  top::Poller poller(broker, std::chrono::milliseconds(flags.interval_ms),
                     [&screen] { screen.Wake(); });
  if (!poller.started().ok()) return poller.started();
  while (!context.interrupt.fired()) {
    top::Poller::News news = poller.Take();
    if (news.snapshot != nullptr) model.Show(std::move(news.snapshot), NowMs());
    if (news.lost.has_value()) model.Lose(std::string(news.lost->message()));
    if (!news.said.empty()) model.Say(std::move(news.said));

    const ScreenSize size = screen.size();
    const top::Canvas canvas = {.columns = size.columns,
                                .rows = size.rows,
                                .keys = true,
                                .styles = true,
                                .colour = context.coloured()};
    screen.Show(top::Draw(model, canvas, NowMs()));

    const FullScreen::Events events = screen.Wait(kRedrawEvery);
    if (events.closed) return ExitCode::kReaderGone;
    for (const Key& key : events.keys) {
      top::Model::Effect effect = model.Press(key);
      if (effect.quit) return ExitCode::kOk;
      if (effect.action.has_value()) poller.Do(*std::move(effect.action));
    }
    poller.Set(model.detail(), std::chrono::milliseconds(model.interval_ms()));
  }
  return ExitCode::kInterrupted;
}

ExitCode RunTop(Context& context, const TopFlags& flags) {
  const absl::Status forms =
      flags.once
          ? context.CheckOutput({"table", "wide", "json", "jsonl", "quiet"}, "a screen is no list")
          : context.CheckOutput({"table", "wide"}, "without --once");
  if (!forms.ok()) return context.Fail(forms);
  const auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  if (flags.once) return PrintOnce(context, **client, flags);
  const absl::StatusOr<ExitCode> code = Live(context, **client, flags);
  return code.ok() ? *code : context.Fail(code.status());
}

}  // namespace

void AddTopCommand(CLI::App& root, Command& chosen) {
  auto flags = std::make_shared<TopFlags>();
  CLI::App& command = AddSubcommand(
      root, "top", "Shows queues, rates, workers and what needs attention, live.",
      "? on the screen tells the keys: / finds, Enter opens a queue, s sorts, p pauses, g q, g w\n"
      "and g d go to queues, workers and dead-letter groups, q quits.\n"
      "\n"
      "Examples:\n"
      "  treadle top\n"
      "  treadle top --interval 500ms --sort age\n"
      "  treadle top --once | mail -s treadle ops@example.com\n"
      "  treadle top --once -o json | jq -r '.attention[].text'\n");
  AddFlag(command, "--once", flags->once,
          "Print the first screen as text, and end: for pipes, and terminals that are none.");
  program::AddDuration(command, "--interval", flags->interval_ms, 100, limits::kHourMs,
                       "How long after an answer the broker is asked again.");
  program::AddCount(command, "--rows", flags->rows, 5, 1'000'000,
                    "With --once: how many lines at most. Without it: the terminal's, 50 in a "
                    "pipe.")
      ->default_str("");
  program::AddChoice(command, "--sort", flags->sort, SortNames(),
                     "What the queues are sorted by at first.");
  command.callback(
      [&chosen, flags] { chosen = [flags](Context& context) { return RunTop(context, *flags); }; });
}

}  // namespace treadle::cli
