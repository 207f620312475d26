#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "client/cli/console/terminal.h"

namespace treadle::cli {

// One line on standard error that a thread of its own paints several times a second while the
// object lives, if that is a terminal. Other output goes through Around, so that the line steps
// aside for it.
class StatusLine {
 public:
  // `render`: the line's text for so many columns. Called from another thread.
  StatusLine(Terminal& terminal, std::function<std::string(int columns)> render);
  // Takes the line away.
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  void Around(const std::function<void()>& write);

 private:
  void Run();

  Terminal& terminal_;
  const std::function<std::string(int)> render_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;    // GUARDED_BY(mutex_)
  bool painted_ = false;  // GUARDED_BY(mutex_)
  std::thread painter_;
};

}  // namespace treadle::cli
