#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "proto/support/running_task.h"
#include "worker/pool/attempt.h"
#include "worker/pool/client_slot.h"

namespace treadle::worker {

// One attempt, as those tasks see it that its handler submits. They are cancelled when its task is,
// until End. Not when the attempt stops for another reason: its task comes again.
class AttemptTask final : public RunningTask {
 public:
  // Both outlive it.
  AttemptTask(const Attempt& attempt, const ClientSlot& client)
      : attempt_(attempt), client_(client) {}
  ~AttemptTask() { End(); }
  AttemptTask(const AttemptTask&) = delete;
  AttemptTask& operator=(const AttemptTask&) = delete;

  const Headers& headers() const override { return attempt_.info().headers; }
  std::string traceparent() const override { return attempt_.traceparent(); }
  std::optional<std::chrono::steady_clock::time_point> deadline() const override {
    return attempt_.info().deadline;
  }
  const Client* client() const override { return client_.made(); }
  std::shared_ptr<ChildTasks> children() override;

  // The handler is done: its children go on by themselves.
  void End();

 private:
  const Attempt& attempt_;
  const ClientSlot& client_;
  // Made for the first child.
  std::shared_ptr<ChildTasks> children_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
  bool ended_ = false;
};

}  // namespace treadle::worker
