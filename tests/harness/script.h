#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/broker/broker.h"
#include "server/broker/delivery.h"
#include "server/service/service.h"
#include "tests/harness/virtual_clock.h"

namespace treadle::testing {

// What the test wants to go wrong, over all lives of a broker. Thread-safe.
class FaultPlan {
 public:
  // Has `late` called for the next attempt that ends, with its worker's call, from which nothing
  // is let through any more. `late` must not block.
  using Late = std::function<void(engine::CallId worker)>;
  void LoseNextAcknowledgement();
  void DeliverNextTwice(Late late);

  int to_come() const;

  bool TakeAcknowledgement();
  Late TakeLate();

 private:
  mutable std::mutex mutex_;
  int lost_acknowledgements_ = 0;
  std::vector<Late> late_;
};

// Between broker and edge, in one life of the broker: knows which workers are connected, holds back
// what some of them say, and breaks what the plan says. Thread-safe.
class Script final : public server::Seam, public broker::Outbox, public broker::Intake {
 public:
  // Both outlive it.
  Script(FaultPlan& plan, const VirtualMachineClock& machine) : plan_(plan), machine_(machine) {}

  // Whose streams are open: worker ids and names by call.
  struct Attached {
    std::string id;
    std::string name;
  };
  std::map<engine::CallId, Attached> attached() const;
  // The call of the worker that holds the task's lease, once it has said that it has begun; absent:
  // it has not, or has ended. On the broker's thread.
  std::optional<engine::CallId> Runs(const engine::Engine& engine, TaskId task) const;
  // From now on nothing that comes on this call gets to the broker, until Unmute.
  void Mute(engine::CallId call);
  // What was held back follows.
  void Unmute(engine::CallId call);
  // The broker has given up a mute call.
  bool WasEnded(engine::CallId call) const;
  // Those who are attached and not mute are heard from, now.
  void Hear();
  // Called on the broker's thread, after a turn. UNAVAILABLE: the broker has stopped.
  absl::Status Look(std::function<void(const broker::View&)> look);

  // server::Seam
  const Clock& EdgeClock(const ServiceClock& clock) override;
  broker::Outbox& Outward(broker::Outbox& edge) override;
  broker::Intake& Inward(broker::Broker& broker) override;

  // broker::Outbox
  void Release(std::vector<broker::Delivery> deliveries) override;
  bool full() const override { return edge_->full(); }

  // broker::Intake
  absl::Status Post(broker::Lane lane, std::vector<broker::Request>&& requests) override;
  using Intake::Post;
  absl::StatusOr<broker::Reading> PostFrom(engine::CallId stream, broker::Lane lane,
                                           std::vector<broker::Request>&& requests) override;
  void GoOn() override { broker_->GoOn(); }
  void FindWaiting(absl::AnyInvocable<void(std::vector<engine::CallId>)> tell) override {
    broker_->FindWaiting(std::move(tell));
  }
  void Visit(absl::AnyInvocable<void(const broker::View&)> visit) override {
    broker_->Visit(std::move(visit));
  }
  TaskId NewTaskIds(uint32_t count) override { return broker_->NewTaskIds(count); }

 private:
  struct Held {
    broker::Lane lane{};
    std::vector<broker::Request> requests;
  };

  struct Muted {
    std::vector<Held> held;
    bool ended = false;
  };

  // True: it was held back. REQUIRES: mutex_ is held.
  bool HoldBack(engine::CallId call, broker::Lane lane, std::vector<broker::Request>& requests);
  // REQUIRES: mutex_ is held.
  void Follow(const std::vector<broker::Request>& requests);
  void FollowEnd(const broker::Delivery& delivery);

  FaultPlan& plan_;
  const VirtualMachineClock& machine_;
  std::unique_ptr<treadle::testing::EdgeClock> edge_clock_;
  broker::Outbox* edge_ = nullptr;
  broker::Broker* broker_ = nullptr;

  mutable std::mutex mutex_;
  // GUARDED_BY(mutex_):
  std::map<engine::CallId, Attached> attached_;
  std::map<engine::Token, engine::CallId> started_;  // and not reported, by whom
  std::map<engine::CallId, Muted> mute_;
};

}  // namespace treadle::testing
