#include "client/cli/console/terminal.h"

#include <iostream>
#include <unistd.h>

#include <sys/ioctl.h>

namespace treadle::cli {
namespace {

constexpr int kColumnsUnknown = 80;
constexpr int kRowsUnknown = 24;

int Columns(int fd) {
  if (::isatty(fd) == 0) return 0;
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumnsUnknown;
}

int Rows(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : kRowsUnknown;
}

}  // namespace

Terminal ProcessTerminal() {
  return {std::cin,
          std::cout,
          std::cerr,
          [] { return Columns(STDOUT_FILENO); },
          [] { return Columns(STDERR_FILENO); },
          [] { return Rows(STDOUT_FILENO); },
          [] { return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0; }};
}

}  // namespace treadle::cli
