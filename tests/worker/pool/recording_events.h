#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/worker/pool/stage.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

// Remembers what a pool told.
class RecordingEvents final : public AttemptEvents {
 public:
  bool Begin(const AttemptPtr& attempt) override {
    std::unique_lock lock(mutex_);
    begun_.push_back(attempt->token());
    attempt->StartClock(std::chrono::steady_clock::now());
    changed_.notify_all();
    if (attempt->info().confirm_start) {
      changed_.wait_for(lock, kGenerous, [this] { return !hold_; });
    }
    return !refuse_;
  }
  void End(const AttemptPtr& attempt, AttemptResult result) override {
    std::lock_guard lock(mutex_);
    ended_.push_back(attempt->token());
    results_[attempt->token()] = std::move(result);
    room_awaited_.erase(attempt->token());
    changed_.notify_all();
  }
  void Progress(const Attempt& attempt, double fraction, std::string_view message) override {
    std::lock_guard lock(mutex_);
    progress_.emplace_back(attempt.token(), fraction, message);
  }
  bool Output(const Attempt& attempt, OutputEntry& entry,
              const std::function<void()>& room) override {
    std::lock_guard lock(mutex_);
    changed_.notify_all();
    if (full_) {
      if (room) room_awaited_[attempt.token()].push_back(room);
      ++refused_;
      return attempt.stop_reason() != StopReason::kNone;
    }
    output_.emplace_back(attempt.token(), std::move(entry));
    return true;
  }

  void Warn(std::string line) override {
    std::lock_guard lock(mutex_);
    warnings_.push_back(std::move(line));
    changed_.notify_all();
  }

  // Every attempt from now on must not run.
  void Refuse() {
    std::lock_guard lock(mutex_);
    refuse_ = true;
  }

  // Attempts with confirm_start begin when Confirm is called.
  void HoldConfirmations() {
    std::lock_guard lock(mutex_);
    hold_ = true;
  }
  void Confirm() {
    std::lock_guard lock(mutex_);
    hold_ = false;
    changed_.notify_all();
  }

  // There is no room for output until MakeRoom.
  void FillUp() {
    std::lock_guard lock(mutex_);
    full_ = true;
  }
  void MakeRoom() {
    std::lock_guard lock(mutex_);
    full_ = false;
    for (const auto& [token, rooms] : std::exchange(room_awaited_, {})) {
      for (const auto& room : rooms) room();
    }
  }

  // True: at least so many have begun, or ended, in time.
  bool WaitForBegun(size_t count) {
    return Wait([&] { return begun_.size() >= count; });
  }
  bool WaitForEnded(size_t count) {
    return Wait([&] { return ended_.size() >= count; });
  }

  // Pieces of output that were taken, and that there was no room for.
  bool WaitForOutput(size_t count) {
    return Wait([&] { return output_.size() >= count; });
  }
  bool WaitForRefused(size_t count) {
    return Wait([&] { return refused_ >= count; });
  }

  bool WaitForWarnings(size_t count) {
    return Wait([&] { return warnings_.size() >= count; });
  }

  std::vector<std::string> warnings() const {
    std::lock_guard lock(mutex_);
    return warnings_;
  }
  std::vector<uint64_t> begun() const {
    std::lock_guard lock(mutex_);
    return begun_;
  }
  std::vector<uint64_t> ended() const {
    std::lock_guard lock(mutex_);
    return ended_;
  }
  AttemptResult result(uint64_t token) const {
    std::lock_guard lock(mutex_);
    return results_.at(token);
  }
  std::vector<OutputEntry> output(uint64_t token) const {
    std::lock_guard lock(mutex_);
    std::vector<OutputEntry> output;
    for (const auto& [said_by, entry] : output_) {
      if (said_by == token) output.push_back(entry);
    }
    return output;
  }
  std::vector<std::tuple<uint64_t, double, std::string>> progress() const {
    std::lock_guard lock(mutex_);
    return progress_;
  }

 private:
  template <typename Condition>
  bool Wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kGenerous, condition);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool refuse_ = false;
  bool hold_ = false;
  std::vector<uint64_t> begun_;
  std::vector<uint64_t> ended_;
  std::map<uint64_t, AttemptResult> results_;
  std::vector<std::tuple<uint64_t, double, std::string>> progress_;
  std::vector<std::string> warnings_;
  std::vector<std::pair<uint64_t, OutputEntry>> output_;
  bool full_ = false;
  size_t refused_ = 0;
  std::map<uint64_t, std::vector<std::function<void()>>> room_awaited_;
};

inline AttemptPtr NewAttempt(uint64_t token, std::string type, std::string payload = {}) {
  AttemptInfo info;
  info.queue = "queue";
  info.type = std::move(type);
  return std::make_shared<Attempt>(AttemptId{"1-" + std::to_string(token), token}, std::move(info),
                                   std::move(payload));
}

// Attempts of one type with tokens first, first + 1, ...
inline std::vector<AttemptPtr> NewAttempts(uint64_t first, size_t count, const std::string& type) {
  std::vector<AttemptPtr> attempts;
  for (size_t i = 0; i < count; ++i) attempts.push_back(NewAttempt(first + i, type));
  return attempts;
}

}  // namespace treadle::worker
