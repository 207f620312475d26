#include "client/cli/console/full_screen.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/ioctl.h>

#include "proto/support/assert.h"

namespace treadle::cli {
namespace {

constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J";  // screen, cursor, wrap
constexpr char kLeave[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr char kEraseLine[] = "\x1b[K";
// An escape byte that nothing has followed by then is the key; over a slow line a sequence comes in
// pieces.
constexpr int kEscapeMs = 50;
constexpr ScreenSize kSizeUnknown = {80, 24};
constexpr int kSizeMax = 1'000;

// What the pipe's bytes say.
constexpr char kWoken = 'w';
constexpr char kResized = 'r';
constexpr char kToStop = 's';
constexpr char kGoesOn = 'c';

std::atomic<int> signal_pipe = -1;

void OnSignal(int signal) {
  const int error = errno;
  const char byte = signal == SIGTSTP ? kToStop : signal == SIGCONT ? kGoesOn : kResized;
  // A full pipe wakes, too.
  [[maybe_unused]] const ssize_t written = ::write(signal_pipe, &byte, 1);
  errno = error;
}

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  TREADLE_ASSERT(::sigaction(signal, &action, nullptr) == 0);
}

void WriteAll(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd fd{STDOUT_FILENO, POLLOUT, 0};
      ::poll(&fd, 1, -1);
    } else if (errno != EINTR) {
      return;  // it has gone, which reading tells
    }
  }
}

bool CanDraw() {
  const char* const term = std::getenv("TERM");
  return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0 && term != nullptr &&
         *term != '\0' && std::string_view(term) != "dumb";
}

}  // namespace

absl::StatusOr<std::unique_ptr<FullScreen>> FullScreen::Open() {
  termios before{};
  if (!CanDraw() || ::tcgetattr(STDIN_FILENO, &before) != 0) {
    return absl::FailedPreconditionError(
        "this is no terminal that a screen can be drawn on (or TERM is dumb)");
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return absl::ResourceExhaustedError("the system has no pipe left: end other programs");
  }
  return std::unique_ptr<FullScreen>(new FullScreen(before, ends[0], ends[1]));
}

FullScreen::FullScreen(const termios& before, int read_end, int write_end)
    : before_(before), read_end_(read_end), write_end_(write_end) {
  TREADLE_ASSERT(signal_pipe == -1);
  signal_pipe = write_end_;
  Handle(SIGWINCH, OnSignal);
  Handle(SIGTSTP, OnSignal);
  Handle(SIGCONT, OnSignal);
  Enter();
}

FullScreen::~FullScreen() {
  Leave();
  Handle(SIGWINCH, SIG_DFL);
  Handle(SIGTSTP, SIG_DFL);
  Handle(SIGCONT, SIG_DFL);
  signal_pipe = -1;
  ::close(read_end_);
  ::close(write_end_);
}

void FullScreen::Enter() {
  TakeKeys();
  WriteAll(kEnter);
}

void FullScreen::TakeKeys() {
  termios raw = before_;
  // Ctrl-C and Ctrl-Z stay signals.
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

void FullScreen::Leave() {
  WriteAll(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void FullScreen::Suspend() {
  Leave();
  Handle(SIGTSTP, SIG_DFL);
  ::raise(SIGTSTP);
  Handle(SIGTSTP, OnSignal);
  Enter();
}

ScreenSize FullScreen::size() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return kSizeUnknown;
  }
  return {std::min<int>(size.ws_col, kSizeMax), std::min<int>(size.ws_row, kSizeMax)};
}

void FullScreen::Show(const std::vector<std::string>& lines) {
  std::string out;
  for (size_t i = 0; i < std::max(lines.size(), shown_.size()); i++) {
    const std::string line = i < lines.size() ? lines[i] : "";
    if (i < shown_.size() && shown_[i] == line) continue;
    // Erased first: behind a line as wide as the terminal its last character would go.
    out += fmt::format("\x1b[{};1H{}{}", i + 1, kEraseLine, line);
  }
  shown_ = lines;
  WriteAll(out);
}

FullScreen::Events FullScreen::Wait(std::chrono::milliseconds time) {
  std::array<pollfd, 2> fds = {{{STDIN_FILENO, POLLIN, 0}, {read_end_, POLLIN, 0}}};
  const int wait_ms = reader_.pending() ? kEscapeMs : static_cast<int>(time.count());
  Events events;
  if (::poll(fds.data(), fds.size(), wait_ms) == 0) events.keys = reader_.End();
  if (fds[1].revents != 0) ReadSignals();
  if (fds[0].revents != 0) ReadKeys(events);
  return events;
}

void FullScreen::ReadSignals() {
  std::array<char, 64> bytes{};
  const ssize_t length = ::read(read_end_, bytes.data(), bytes.size());
  const std::string_view said(bytes.data(), static_cast<size_t>(std::max<ssize_t>(0, length)));
  const auto has = [said](char byte) { return said.find(byte) != std::string_view::npos; };
  if (has(kToStop)) Suspend();
  // Also after SIGSTOP, before which nothing could be given back.
  if (has(kGoesOn)) TakeKeys();
  if (has(kToStop) || has(kGoesOn) || has(kResized)) {
    // What is shown may have been moved about, or have gone: all of it is drawn again.
    shown_.clear();
    WriteAll("\x1b[2J");
  }
}

void FullScreen::ReadKeys(Events& events) {
  std::array<char, 256> bytes{};
  const ssize_t length = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (length > 0) {
    events.keys = reader_.Read({bytes.data(), static_cast<size_t>(length)});
  } else if (length == 0 || (errno != EINTR && errno != EAGAIN)) {
    events.closed = true;
  }
}

void FullScreen::Wake() {
  [[maybe_unused]] const ssize_t written = ::write(write_end_, &kWoken, 1);
}

}  // namespace treadle::cli
