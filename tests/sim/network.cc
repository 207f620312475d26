#include "tests/sim/network.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

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
    state.to_broker = state.from_broker = false;
    if (state.open) {
      timeline_.In(random_.Between(0, calm ? 10 : 1'000), [this, lost = call] { LosePeer(lost); });
    }
  }
}

CallId Network::Open(Peer& peer) {
  const CallId call{next_call_++};
  Call& state = calls_[call];
  state.peer = &peer;
  if (broker_ == nullptr) {
    state.to_broker = state.from_broker = false;
    timeline_.In(random_.Between(1, 200), [this, call] { LosePeer(call); });
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
  trace_.Note("arrive", {static_cast<uint64_t>(call), requests.size()});
  for (const Request& request : requests) oracle_.Arrived(request);
  if (!broker_->Post(std::move(requests)).ok()) Break(call);
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
    Arrive(call, std::move(closed));
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
