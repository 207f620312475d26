#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"

#include "tests/worker/fake_broker.h"
#include "worker/pool/handlers.h"
#include "worker/pool/thread/thread_pool.h"
#include "worker/session/session.h"

namespace treadle::worker {

// A session with a thread pool, running against a fake broker on a thread of its own. Add handlers,
// change options, then Start.
class LiveSession {
 public:
  explicit LiveSession(const FakeBroker& broker) {
    options.broker = *ParseAddress(broker.address());
    options.worker_id = "worker-id";
    options.worker_name = "worker-name";
    options.queues = {"queue", "other"};
    options.reconnect_min = std::chrono::milliseconds(5);
    options.reconnect_max = std::chrono::milliseconds(20);
    options.log = [](LogLevel, std::string_view) {};
  }
  ~LiveSession() {
    if (thread_.joinable()) {
      session_->Abort();
      End();
    }
  }

  void Handle(const std::string& type, Handler handler) {
    handlers_->Add(type, std::move(handler));
  }

  void Start(int slots, std::optional<int> prefetch) {
    session_ = std::make_shared<Session>(options);
    const auto events = std::make_shared<Events>(session_, before_begin);
    ThreadPoolOptions pool_options;
    pool_options.slots = slots;
    pool_options.waiting_max = prefetch.value_or(Prefetch::kAdaptiveMax);
    pool_ = *ThreadPool::Start(std::move(pool_options), handlers_, events);
    thread_ = std::thread([this, prefetch] {
      result_ = session_->Serve({ServedPool(*pool_, handlers_->Types(), Prefetch(prefetch))});
    });
  }

  Session& session() { return *session_; }
  // Waits for the end of Serve.
  absl::Status Join() {
    End();
    return result_;
  }
  // After Join: handlers that still run.
  size_t abandoned() const { return abandoned_; }

  SessionOptions options;
  // Called with an attempt's token when it is about to begin. May be empty.
  std::function<void(uint64_t token)> before_begin;

 private:
  // To the session.
  class Events final : public AttemptEvents {
   public:
    Events(std::shared_ptr<Session> session, std::function<void(uint64_t)> before_begin)
        : session_(std::move(session)), before_begin_(std::move(before_begin)) {}

    bool Begin(const AttemptPtr& attempt) override {
      if (before_begin_) before_begin_(attempt->token());
      return session_->Begin(attempt);
    }
    void End(const AttemptPtr& attempt, AttemptResult result) override {
      session_->End(attempt, std::move(result));
    }
    void Progress(const Attempt& attempt, double fraction, std::string_view message) override {
      session_->Progress(attempt, fraction, message);
    }
    bool Output(const Attempt& attempt, OutputEntry& entry,
                const std::function<void()>& room) override {
      return session_->Output(attempt, entry, room);
    }
    void Warn(std::string line) override { session_->Warn(std::move(line)); }

   private:
    const std::shared_ptr<Session> session_;
    const std::function<void(uint64_t)> before_begin_;
  };

  void End() {
    thread_.join();
    abandoned_ = pool_->Shutdown(std::chrono::milliseconds(0));
  }

  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
  std::shared_ptr<Session> session_;
  std::unique_ptr<ThreadPool> pool_;
  std::thread thread_;
  absl::Status result_;
  size_t abandoned_ = 0;
};

}  // namespace treadle::worker
