#include "client/cli/watch.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/flags.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"

namespace treadle::cli {
namespace {

// Without the terminal's own wrapping, a line takes one row.
constexpr char kWrapOff[] = "\x1b[?7l";
constexpr char kWrapOn[] = "\x1b[?7h";
constexpr char kEraseBelow[] = "\x1b[J";

// The text's first rows, and how many more there are.
std::string Fit(const std::string& text, int rows) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  const auto fit = static_cast<size_t>(std::max(2, rows - 1));
  if (lines.size() <= fit) return text;
  const size_t more = lines.size() - (fit - 1);
  lines.resize(fit - 1);
  return absl::StrJoin(lines, "\n") + fmt::format("\n... {} more\n", more);
}

class Screen {
 public:
  explicit Screen(const Context& context) : context_(context) {}

  // In the place of the last one on a terminal, otherwise behind it.
  ExitCode Show(const std::string& frame) {
    if (context_.terminal.out_columns() == 0) return context_.Write(frame);
    const std::string fit = Fit(frame, context_.terminal.out_rows());
    const std::string up = rows_ == 0 ? "" : fmt::format("\x1b[{}A", rows_);
    rows_ = std::count(fit.begin(), fit.end(), '\n');
    return context_.Write("\r" + up + kEraseBelow + kWrapOff + fit + kWrapOn);
  }
  // What was written elsewhere stands below the last one.
  void Leave() { rows_ = 0; }

 private:
  const Context& context_;
  std::ptrdiff_t rows_ = 0;  // of the last one
};

}  // namespace

void AddWatchFlags(CLI::App& command, WatchFlags& flags) {
  AddFlag(command, "-w,--watch", flags.watch,
          "Show it again and again until Ctrl-C: in place on a terminal, otherwise one below the "
          "other.");
  program::AddDuration(command, "--interval", flags.interval_ms, 100, limits::kHourMs,
                       "With --watch: how long to wait in between.");
}

ExitCode Look(Context& context, const WatchFlags& flags,
              const std::function<ExitCode(Client&)>& once) {
  auto client = context.Connect();
  if (!client.ok()) return context.FailCall(client.status());
  if (!flags.watch) return once(**client);
  Interrupt::Scope on_interrupt(context.interrupt, [] {});
  Screen screen(context);
  bool shown = false;
  do {
    std::string frame;
    context.frame = &frame;
    const ExitCode code = once(**client);
    context.frame = nullptr;
    if (code != ExitCode::kOk) {
      if (code != ExitCode::kUnreachable || !shown) return code;
      screen.Leave();
    } else if (const ExitCode written = screen.Show(frame); written != ExitCode::kOk) {
      return written;
    } else {
      shown = true;
    }
  } while (!context.interrupt.WaitFor(std::chrono::milliseconds(flags.interval_ms)));
  return ExitCode::kInterrupted;
}

}  // namespace treadle::cli
