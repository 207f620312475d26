#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace treadle::cli {

// What Ctrl-C does at the moment. Thread-safe.
class Interrupt {
 public:
  // While it lives, a signal calls `stop` (once, on another thread; at once if it has come already)
  // and the command goes on to its own end. One at a time.
  class Scope {
   public:
    Scope(Interrupt& interrupt, std::function<void()> stop);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt& interrupt_;
  };

  // A signal has come. False: nobody takes care of it; end the process.
  bool Fire(int signal);
  bool fired() const { return signal() != 0; }
  // The first that came; 0: none.
  int signal() const;
  // Sleeps. True: a signal has come.
  bool WaitFor(std::chrono::milliseconds time);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int signal_ = 0;              // GUARDED_BY(mutex_)
  std::function<void()> stop_;  // GUARDED_BY(mutex_)
};

}  // namespace treadle::cli
