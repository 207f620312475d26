#include "tests/sim/network.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "proto/support/assert.h"

namespace treadle::sim {
namespace {

using broker::Delivery;
using broker::Request;
using engine::CallId;

CallId CallOf(const Delivery& delivery) {
  return std::visit(
      [](const auto& event) {
        if constexpr (requires { event.call; }) {
          return event.call;
        } else {
          return CallId{};
        }
      },
      delivery);
}

bool EndsCall(const std::vector<Request>& requests) {
  const auto* command = std::get_if<engine::Command>(&requests.front().action);
  return command != nullptr && std::holds_alternative<engine::CallClosed>(*command);
}

// Of what peers send: queries do not come this way.
std::vector<Request> Copy(const std::vector<Request>& requests) {
  std::vector<Request> copies;
  for (const Request& request : requests) {
    std::visit(
        [&](const auto& action) {
          if constexpr (std::is_copy_constructible_v<std::decay_t<decltype(action)>>) {
            copies.push_back({action, request.body});
          }
        },
        request.action);
  }
  return copies;
}

}  // namespace

Network::Network(Timeline& timeline, Random& random, Trace& trace, Oracle& oracle)
    : timeline_(timeline), random_(random), trace_(trace), oracle_(oracle) {}

int64_t Network::Delay() {
  if (calm) return random_.Between(0, 2);
  if (random_.OneIn(40)) return random_.Between(50, 1'500);
  return random_.OneIn(4) ? random_.Between(3, 50) : random_.Between(0, 2);
}

void Network::SetBroker(broker::Broker* broker) {
  broker_ = broker;
  ++run_;
  if (broker != nullptr) return;
  for (auto& [call, state] : calls_) {
    state.input = nullptr;
    state.unread.clear();
    state.to_broker = state.from_broker = false;
    if (state.open) {
      timeline_.In(random_.Between(0, calm ? 10 : 1'000), [this, lost = call] { LosePeer(lost); });
    }
  }
}

CallId Network::Open(Peer& peer, broker::Lane lane, bool stream) {
  const CallId call{next_call_++};
  Call& state = calls_[call];
  state.peer = &peer;
  state.lane = lane;
  if (broker_ == nullptr) {
    state.to_broker = state.from_broker = false;
    timeline_.In(random_.Between(1, 200), [this, call] { LosePeer(call); });
  } else if (stream) {
    state.input = std::make_unique<broker::StreamInput>(*broker_, call, lane,
                                                        [&state] { state.reading = true; });
    state.input->Begin();
  }
  return call;
}

void Network::Send(CallId call, std::vector<Request> requests) {
  Call& state = calls_.at(call);
  if (!state.to_broker) return;
  state.last_in_ms = std::max(state.last_in_ms, timeline_.NowMs() + Delay());
  timeline_.At(state.last_in_ms, [this, call, requests = std::move(requests)]() mutable {
    if (calls_.at(call).to_broker) Arrive(call, std::move(requests));
  });
}

void Network::Send(CallId call, engine::Command command, broker::BodyPtr body) {
  std::vector<Request> requests;
  requests.push_back({std::move(command), std::move(body)});
  Send(call, std::move(requests));
}

void Network::Arrive(CallId call, std::vector<Request> requests) {
  if (broker_ == nullptr) return;
  Call& state = calls_.at(call);
  if (state.input == nullptr) return ArriveUnary(call, std::move(requests));
  state.unread.push_back(std::move(requests));
  if (state.input->held()) ++held_;
  Read(call);
}

void Network::ArriveUnary(CallId call, std::vector<Request> requests) {
  trace_.Note("arrive", {static_cast<uint64_t>(call), requests.size()});
  const std::vector<Request> copies = Copy(requests);
  if (broker_->Post(calls_.at(call).lane, std::move(requests)).ok()) {
    for (const Request& request : copies) oracle_.Arrived(request);
  } else {
    ++held_;
    Break(call);
  }
}

// The stream's messages, one after the other, until one is held back, or the first is refused.
void Network::Read(CallId call) {
  Call& state = calls_.at(call);
  while (state.input != nullptr && state.reading && !state.unread.empty()) {
    state.reading = false;
    std::vector<Request> requests = std::move(state.unread.front());
    state.unread.pop_front();
    trace_.Note("read", {requests.size()});
    if (EndsCall(requests)) {
      for (const Request& request : requests) oracle_.Arrived(request);
      state.input->Close(std::move(requests));
      state.unread.clear();
      return;
    }
    const std::vector<Request> copies = Copy(requests);
    state.input->Arrived();
    if (!state.input->Post(std::move(requests)).ok()) {
      // A broker that stops is killed by the simulator, not closed: so it had no room.
      TREADLE_ASSERT(!state.begun);
      ++held_;
      state.unread.clear();
      return Break(call);
    }
    state.begun = true;
    for (const Request& request : copies) oracle_.Arrived(request);
    state.input->Resume();
  }
}

void Network::Close(CallId call) {
  Call& state = calls_.at(call);
  if (!state.open) return;
  state.open = false;
  Send(call, engine::CallClosed{call});
}

void Network::Break(CallId call, bool peer_hears) {
  Call& state = calls_.at(call);
  if (!state.to_broker && !state.from_broker) return;
  state.to_broker = state.from_broker = false;
  trace_.Note("break", {static_cast<uint64_t>(call)});
  // Half-open for a while: the broker may see the peer's next call before it knows of this one's
  // end.
  timeline_.In(random_.Between(0, calm ? 10 : 4'000), [this, call, run = run_] {
    if (run_ != run || broker_ == nullptr) return;
    std::vector<Request> closed;
    closed.push_back({engine::Command(engine::CallClosed{call}), nullptr});
    Call& broken = calls_.at(call);
    if (broken.input == nullptr) return ArriveUnary(call, std::move(closed));
    for (const Request& request : closed) oracle_.Arrived(request);
    broken.unread.clear();
    broken.input->Close(std::move(closed));
  });
  if (peer_hears) {
    timeline_.In(random_.Between(0, calm ? 10 : 2'000), [this, call] { LosePeer(call); });
  } else {
    state.open = false;
  }
}

void Network::LosePeer(CallId call) {
  Call& state = calls_.at(call);
  if (!std::exchange(state.open, false)) return;
  trace_.Note("lost", {static_cast<uint64_t>(call)});
  state.peer->Lost(call);
}

void Network::Release(std::vector<Delivery> deliveries) {
  if (swallow) return;
  for (Delivery& delivery : deliveries) {
    if (auto* answer = std::get_if<broker::Answer>(&delivery)) {
      (*answer)();
      continue;
    }
    const CallId call = CallOf(delivery);
    if (std::holds_alternative<broker::ReadOn>(delivery)) {
      Call& resumed = calls_.at(call);
      resumed.input->Resume();
      Read(call);
      continue;
    }
    trace_.Note("release", {delivery.index(), static_cast<uint64_t>(call)});
    oracle_.Released(delivery);
    Call& state = calls_.at(call);
    if (!state.from_broker) continue;
    state.last_out_ms = std::max(state.last_out_ms, timeline_.NowMs() + Delay());
    timeline_.At(state.last_out_ms, [this, call, said = std::move(delivery)]() mutable {
      Call& to = calls_.at(call);
      if (to.from_broker && to.open) to.peer->Receive(call, said);
    });
  }
}

}  // namespace treadle::sim
