#pragma once

#include <functional>
#include <mutex>
#include <thread>

namespace treadle::program {

// Turns SIGINT, SIGTERM and SIGHUP (the terminal is closed) into a call of a plain function on a
// plain thread. SIGHUP is left alone where it is ignored, as nohup wants it.
//
// Construct one first thing in main(), before any other thread is started: it blocks the signals,
// and threads inherit that. (So do child processes: reset the signal mask when spawning one.)
// SIGPIPE is ignored, so that a closed log pipe does not end the process.
//
// The first signal calls the callback; one that came before there was a callback is kept for it. A
// second signal ends the process at once with exit code 128 + its number: whoever waits for a drain
// and has no more patience presses Ctrl-C again. A SIGHUP is never the second one: a terminal that
// is closed sends several.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Called once at most, on a thread of its own; may take its time.
  void OnStop(std::function<void(int signal)> callback);

 private:
  void Wait();
  void Received(int signal);

  std::mutex mutex_;
  std::function<void(int)> callback_;  // GUARDED_BY(mutex_)
  int received_ = 0;                   // GUARDED_BY(mutex_): not yet given to a callback
  bool stopping_ = false;              // GUARDED_BY(mutex_): a signal has come

  int signal_fd_ = -1;
  int end_fd_ = -1;
  std::thread waiter_;
  std::thread caller_;  // the callback runs here, so that a second signal is still heard
};

}  // namespace treadle::program
