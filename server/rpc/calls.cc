#include "server/rpc/calls.h"

#include "absl/strings/str_cat.h"

namespace treadle::rpc {

Calls::Calls(const Options& options, Connections& connections, const Clock& clock)
    : connections_(connections),
      clock_(clock),
      streams_per_client_max_(options.streams_per_client_max),
      calls_per_client_max_(options.calls_per_client_max),
      calls_max_(options.calls_max),
      calls_per_address_max_(options.calls_max - options.calls_max / 10) {}

absl::Status Calls::Add(const std::shared_ptr<Call>& call) {
  Client& client = *call->client();
  std::lock_guard lock(mutex_);
  if (absl::Status s = Check(*call, client); !s.ok()) return s;
  ++client.calls;
  ++by_address_[client.address];
  if (call->is_stream()) {
    ++client.streams;
    streams_.emplace(call->id(), call);
  }
  calls_.emplace(call->id(), call);
  return absl::OkStatus();
}

absl::Status Calls::Check(const Call& call, const Client& client) const {
  if (closed_) return absl::UnavailableError("the broker is shutting down: connect again");
  if (static_cast<int64_t>(calls_.size()) >= calls_max_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the broker has ", calls_max_, " open calls, its bound (--calls-max): try again later"));
  }
  if (const auto found = by_address_.find(client.address);
      found != by_address_.end() && found->second >= calls_per_address_max_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "this address has ", found->second, " open calls: the last tenth of ", calls_max_,
        " (--calls-max) is kept for others; wait for some of them, or use a stream"));
  }
  if (call.is_stream() && client.streams >= streams_per_client_max_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this connection has ", client.streams.load(),
                     " open streams, its bound (--streams-per-client): close some, or put more "
                     "tasks on each"));
  }
  if (client.calls >= calls_per_client_max_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "this connection has ", client.calls.load(),
        " open calls, its bound (--calls-per-client): wait for some of them, or use a stream"));
  }
  return absl::OkStatus();
}

void Calls::Remove(const Call& call) {
  Client& client = *call.client();
  std::lock_guard lock(mutex_);
  if (calls_.erase(call.id()) == 0) return;
  streams_.erase(call.id());
  if (call.is_stream()) --client.streams;
  client.idle_since_ms = clock_.NowMs();
  --client.calls;
  const auto of_address = by_address_.find(client.address);
  if (--of_address->second == 0) by_address_.erase(of_address);
}

std::shared_ptr<Call> Calls::Find(engine::CallId id) const {
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Call>> Calls::Streams() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Call>> streams;
  streams.reserve(streams_.size());
  for (const auto& [id, call] : streams_) streams.push_back(call);
  return streams;
}

std::vector<std::shared_ptr<Call>> Calls::All() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Call>> all;
  all.reserve(calls_.size());
  for (const auto& [id, call] : calls_) all.push_back(call);
  return all;
}

void Calls::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

}  // namespace treadle::rpc
