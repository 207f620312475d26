#include "server/rpc/calls.h"

#include "absl/strings/str_cat.h"

namespace treadle::rpc {

Calls::Calls(const Options& options)
    : streams_per_client_max_(options.streams_per_client_max),
      calls_per_client_max_(options.calls_per_client_max),
      calls_max_(options.calls_max) {}

absl::Status Calls::Add(const std::shared_ptr<Call>& call) {
  std::lock_guard lock(mutex_);
  if (closed_) return absl::UnavailableError("the broker is shutting down: connect again");
  if (static_cast<int64_t>(calls_.size()) >= calls_max_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the broker has ", calls_max_, " open calls, its bound: try again later"));
  }
  Client& client = clients_[call->peer()];
  if (call->is_stream() && client.streams >= streams_per_client_max_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this connection has ", client.streams,
                     " open streams, its bound (--streams-per-client): close some, or put more "
                     "tasks on each"));
  }
  if (client.calls >= calls_per_client_max_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this connection has ", client.calls,
                     " open calls, its bound: wait for some of them, or use a stream"));
  }
  ++client.calls;
  if (call->is_stream()) {
    ++client.streams;
    streams_.emplace(call->id(), call);
  }
  calls_.emplace(call->id(), call);
  return absl::OkStatus();
}

void Calls::Remove(const Call& call) {
  std::lock_guard lock(mutex_);
  if (calls_.erase(call.id()) == 0) return;
  streams_.erase(call.id());
  const auto client = clients_.find(call.peer());
  if (call.is_stream()) --client->second.streams;
  if (--client->second.calls == 0) clients_.erase(client);
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
