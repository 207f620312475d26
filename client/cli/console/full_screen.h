#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <termios.h>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/console/key.h"

namespace treadle::cli {

struct ScreenSize {
  int columns = 0;
  int rows = 0;
};

// This process's terminal, for a program that draws all of it: the alternate screen, no cursor,
// keys as they are pressed. The destructor gives it back as it was, and so does SIGTSTP (Ctrl-Z)
// until the process goes on; SIGINT and the like are the caller's, as for every command. One at a
// time.
//
// It writes the few control sequences that all terminals of today have in common (ECMA-48, and
// xterm's alternate screen): UTF-8 whatever the locale is, and no terminfo.
class FullScreen {
 public:
  // FAILED_PRECONDITION: standard input and output are no terminal that can be drawn on.
  static absl::StatusOr<std::unique_ptr<FullScreen>> Open();
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  ScreenSize size() const;
  // Draws what differs from the lines before. Each fits the columns; escapes in it end in it.
  void Show(const std::vector<std::string>& lines);

  // What has happened meanwhile. `resized`: draw it all again; it may have been stopped and gone
  // on.
  struct Events {
    std::vector<Key> keys;
    bool resized = false;
    bool closed = false;  // the terminal has gone
  };
  // Waits until something happens, Wake is called, or the time is over.
  Events Wait(std::chrono::milliseconds time);
  // From any thread.
  void Wake();

 private:
  FullScreen(const termios& before, int read_end, int write_end);
  void Enter();
  void Leave();
  void TakeKeys();
  // Stops the process as Ctrl-Z does; returns when it goes on.
  void Suspend();
  void ReadSignals();
  void ReadKeys(Events& events);

  const termios before_;
  // Signals and Wake write a byte each.
  const int read_end_;
  const int write_end_;
  KeyReader reader_;
  std::vector<std::string> shown_;
};

}  // namespace treadle::cli
