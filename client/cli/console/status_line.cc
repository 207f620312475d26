#include "client/cli/console/status_line.h"

#include <chrono>
#include <utility>

#include "treadle/internal/start_thread.h"

namespace treadle::cli {
namespace {

// Commands that end sooner show no line at all.
constexpr std::chrono::milliseconds kFirst{300};
constexpr std::chrono::milliseconds kEvery{100};
constexpr char kErase[] = "\r\x1b[K";

}  // namespace

StatusLine::StatusLine(Terminal& terminal, std::function<std::string(int)> render)
    : terminal_(terminal), render_(std::move(render)) {
  // A system that has no thread left gets no line.
  if (terminal_.err_columns() > 0) {
    (void)internal::StartThread("the status line", painter_, [this] { Run(); });
  }
}

StatusLine::~StatusLine() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    if (painted_) terminal_.err << kErase << std::flush;
  }
  changed_.notify_all();
  if (painter_.joinable()) painter_.join();
}

void StatusLine::Around(const std::function<void()>& write) {
  std::lock_guard lock(mutex_);
  if (std::exchange(painted_, false)) terminal_.err << kErase << std::flush;
  write();
}

void StatusLine::Run() {
  std::unique_lock lock(mutex_);
  for (auto wait = kFirst; !changed_.wait_for(lock, wait, [this] { return ended_; });
       wait = kEvery) {
    const int columns = terminal_.err_columns();
    if (columns == 0) continue;
    terminal_.err << '\r' << render_(columns) << "\x1b[K" << std::flush;
    painted_ = true;
  }
}

}  // namespace treadle::cli
