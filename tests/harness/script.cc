#include "tests/harness/script.h"

#include <iterator>
#include <memory>
#include <utility>
#include <variant>

#include "server/broker/body.h"
#include "server/broker/inbox.h"

namespace treadle::testing {
namespace {

using broker::Request;

template <typename Command>
const Command* CommandOf(const Request& request) {
  const auto* const command = std::get_if<engine::Command>(&request.action);
  return command == nullptr ? nullptr : std::get_if<Command>(command);
}

}  // namespace

void FaultPlan::LoseNextAcknowledgement() {
  std::lock_guard lock(mutex_);
  ++lost_acknowledgements_;
}

void FaultPlan::DeliverNextTwice(Late late) {
  std::lock_guard lock(mutex_);
  late_.push_back(std::move(late));
}

int FaultPlan::to_come() const {
  std::lock_guard lock(mutex_);
  return lost_acknowledgements_ + static_cast<int>(late_.size());
}

bool FaultPlan::TakeAcknowledgement() {
  std::lock_guard lock(mutex_);
  if (lost_acknowledgements_ == 0) return false;
  --lost_acknowledgements_;
  return true;
}

FaultPlan::Late FaultPlan::TakeLate() {
  std::lock_guard lock(mutex_);
  if (late_.empty()) return nullptr;
  Late late = std::move(late_.front());
  late_.erase(late_.begin());
  return late;
}

std::map<engine::CallId, Script::Attached> Script::attached() const {
  std::lock_guard lock(mutex_);
  return attached_;
}

std::optional<engine::CallId> Script::Runs(const engine::Engine& engine, TaskId task) const {
  std::lock_guard lock(mutex_);
  for (const auto& [token, call] : started_) {
    if (engine.FindLeased(call, token) == task) return call;
  }
  return std::nullopt;
}

void Script::Mute(engine::CallId call) {
  std::lock_guard lock(mutex_);
  mute_.try_emplace(call);
}

// Under the lock, so that nothing newer gets there first.
void Script::Unmute(engine::CallId call) {
  std::lock_guard lock(mutex_);
  const auto found = mute_.find(call);
  if (found == mute_.end()) return;
  for (Held& held : found->second.held) {
    Follow(held.requests);
    broker_->PostFrom(call, held.lane, std::move(held.requests)).IgnoreError();
  }
  mute_.erase(found);
}

bool Script::WasEnded(engine::CallId call) const {
  std::lock_guard lock(mutex_);
  const auto found = mute_.find(call);
  return found != mute_.end() && found->second.ended;
}

void Script::Hear() {
  std::lock_guard lock(mutex_);
  for (const auto& [call, attached] : attached_) {
    if (mute_.contains(call)) continue;
    broker_
        ->Post(broker::Lane::kWorkers, Request{engine::Command(engine::Heartbeat{call}), nullptr})
        .IgnoreError();
  }
}

absl::Status Script::Look(std::function<void(const broker::View&)> look) {
  using Reply = std::variant<broker::Answer, broker::Look>;
  broker::AskQuery ask;
  ask.query = [look = std::move(look)](const broker::View& view) {
    look(view);
    return Reply(std::in_place_index<0>, [] {});
  };
  return broker_->Post(broker::Lane::kQuestions, Request{std::move(ask), nullptr});
}

const Clock& Script::EdgeClock(const ServiceClock& clock) {
  edge_clock_ = std::make_unique<treadle::testing::EdgeClock>(clock, machine_);
  return *edge_clock_;
}

broker::Outbox& Script::Outward(broker::Outbox& edge) {
  edge_ = &edge;
  return *this;
}

broker::Intake& Script::Inward(broker::Broker& broker) {
  broker_ = &broker;
  return *this;
}

// The stream that an acknowledgement is lost with ends before anything more is said on it.
void Script::Release(std::vector<broker::Delivery> deliveries) {
  engine::CallId broken{};
  for (broker::Delivery& delivery : deliveries) {
    const engine::CallId call = broker::CallOf(delivery);
    if (broken != engine::CallId{} && call == broken) {
      delivery = broker::Answer([] {});
      continue;
    }
    FollowEnd(delivery);
    const auto* const submitted = std::get_if<engine::Submitted>(&delivery);
    if (submitted == nullptr || !submitted->status.ok() || !plan_.TakeAcknowledgement()) continue;
    broken = call;
    delivery = engine::EndCall{call, absl::UnavailableError("the connection broke")};
  }
  edge_->Release(std::move(deliveries));
}

void Script::FollowEnd(const broker::Delivery& delivery) {
  const auto* const end = std::get_if<engine::EndCall>(&delivery);
  if (end == nullptr) return;
  std::lock_guard lock(mutex_);
  const auto muted = mute_.find(end->call);
  if (muted != mute_.end()) muted->second.ended = true;
}

absl::Status Script::Post(broker::Lane lane, std::vector<Request>&& requests) {
  {
    std::lock_guard lock(mutex_);
    if (!requests.empty()) {
      const engine::CallId call = broker::CallOf(requests.front().action);
      if (HoldBack(call, lane, requests)) return absl::OkStatus();
    }
    Follow(requests);
  }
  return broker_->Post(lane, std::move(requests));
}

absl::StatusOr<broker::Reading> Script::PostFrom(engine::CallId stream, broker::Lane lane,
                                                 std::vector<Request>&& requests) {
  FaultPlan::Late late;
  {
    std::lock_guard lock(mutex_);
    if (HoldBack(stream, lane, requests)) return broker::Reading::kGoOn;
    Follow(requests);
    engine::Token token{};
    for (const Request& request : requests) {
      const auto* const end = CommandOf<engine::EndAttempt>(request);
      const bool ran = end != nullptr && (end->end == engine::AttemptEnd::kSucceeded ||
                                          end->end == engine::AttemptEnd::kFailed);
      if (!ran || !attached_.contains(stream)) continue;
      token = end->token;
      late = plan_.TakeLate();
      break;
    }
    if (late) {
      // Of an attempt that nobody has heard of, the broker would not say that it has begun.
      broker_->Post(lane, Request{engine::Command(engine::StartAttempt{stream, token}), nullptr})
          .IgnoreError();
      mute_.try_emplace(stream);
      HoldBack(stream, lane, requests);
    }
  }
  if (late) {
    late(stream);
    return broker::Reading::kGoOn;
  }
  return broker_->PostFrom(stream, lane, std::move(requests));
}

bool Script::HoldBack(engine::CallId call, broker::Lane lane, std::vector<Request>& requests) {
  const auto found = mute_.find(call);
  if (found == mute_.end()) return false;
  found->second.held.push_back(Held{lane, std::move(requests)});
  return true;
}

void Script::Follow(const std::vector<Request>& requests) {
  for (const Request& request : requests) {
    if (const auto* attach = CommandOf<engine::AttachWorker>(request)) {
      attached_[attach->call] = Attached{attach->worker_id, attach->worker_name};
    } else if (const auto* closed = CommandOf<engine::CallClosed>(request)) {
      attached_.erase(closed->call);
    } else if (const auto* start = CommandOf<engine::StartAttempt>(request)) {
      started_[start->token] = start->call;
    } else if (const auto* end = CommandOf<engine::EndAttempt>(request)) {
      started_.erase(end->token);
    }
  }
}

}  // namespace treadle::testing
