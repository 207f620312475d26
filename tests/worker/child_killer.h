#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <sys/syscall.h>

namespace treadle::test {

// Kills this process's children from outside, one after the other: any of them, with any of the
// signals, whatever it does just then. Paced by the work that gets done, so that a slow machine's
// children are not killed faster than they can start.
class ChildKiller {
 public:
  // `done`: how much work was done so far. The next child dies after up to `pace` more of it.
  ChildKiller(std::vector<int> signals, int64_t pace, std::function<int64_t()> done)
      : signals_(std::move(signals)), pace_(pace), done_(std::move(done)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~ChildKiller() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // After Stop: how many children were sent each signal.
  const std::map<int, int64_t>& sent() const { return sent_; }

 private:
  void Run() {
    std::mt19937 random(std::random_device{}());
    const auto upto = [&random](size_t max) {
      return std::uniform_int_distribution<size_t>(0, max)(random);
    };
    while (true) {
      const int64_t next = done_() + static_cast<int64_t>(upto(static_cast<size_t>(pace_)));
      do {
        if (stop_) return;
        std::this_thread::sleep_for(std::chrono::microseconds(upto(500)));
      } while (done_() <= next);
      const std::vector<pid_t> children = Children();
      if (children.empty()) continue;
      const int signal = signals_[upto(signals_.size() - 1)];
      if (Kill(children[upto(children.size() - 1)], signal)) ++sent_[signal];
    }
  }

  static pid_t ParentOf(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat;
    std::getline(file, stat);
    // "pid (name) state parent"; the name may have anything in it.
    const size_t name_end = stat.rfind(')');
    return name_end == std::string::npos ? 0 : std::atoi(stat.c_str() + name_end + 4);
  }

  static std::vector<pid_t> Children() {
    std::vector<pid_t> children;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const pid_t pid = std::atoi(entry.path().filename().c_str());
      if (pid > 0 && ParentOf(pid) == ::getpid()) children.push_back(pid);
    }
    return children;
  }

  // Never a stranger that has got the child's number meanwhile.
  static bool Kill(pid_t pid, int signal) {
    const int file = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (file < 0) return false;
    const bool killed = ParentOf(pid) == ::getpid() &&
                        ::syscall(SYS_pidfd_send_signal, file, signal, nullptr, 0) == 0;
    ::close(file);
    return killed;
  }

  const std::vector<int> signals_;
  const int64_t pace_;
  const std::function<int64_t()> done_;
  std::map<int, int64_t> sent_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace treadle::test
