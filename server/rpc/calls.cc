#include "server/rpc/calls.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace treadle::rpc {
namespace {

// A connection that has fewer unanswered has few.
constexpr int32_t kFewCalls = 4;
// Of what is still free beyond the bound a connection may have this share: of answered calls that
// gRPC does not call over, because their client reads nothing, or it has much to do.
constexpr int64_t kFewShare = 32;
// Whoever reads is told of a refusal at once, and has not as many open.
constexpr int64_t kRefusedMaxAtLeast = 4'000;
constexpr int64_t kRefusedShare = 5;  // of the bound of calls
// Beyond the bound of refused calls a connection that has so many, refused or unanswered, is broken
// off: gRPC may hold as many as a connection may have, and shows them to us later than it takes
// them in. One that calls, and waits for its answer, has fewer.
constexpr int32_t kManyCalls = 100;

}  // namespace

Calls::Calls(const Options& options, Connections& connections, const Clock& clock)
    : connections_(connections),
      clock_(clock),
      streams_per_client_max_(options.streams_per_client_max),
      calls_per_client_max_(options.calls_per_client_max),
      calls_max_(options.calls_max),
      calls_per_address_max_(options.calls_max - options.calls_max / 10),
      few_max_(options.calls_max / 2),
      refused_max_(std::max(kRefusedMaxAtLeast, options.calls_max / kRefusedShare)) {}

absl::Status Calls::Add(const std::shared_ptr<Call>& call) {
  Client& client = *call->client();
  absl::Status status;
  bool is_one_too_many = false;
  {
    std::lock_guard lock(mutex_);
    status = CheckOwn(*call, client);
    if (status.ok()) {
      status = CheckRoom(client);
      if (status.ok()) {
        ++by_address_[client.address];
      } else if (FindsRoomAmongFew(client)) {
        few_.insert(call->id());
        ++client.few;
        status = absl::OkStatus();
      }
    }
    if (status.ok()) {
      ++client.calls;
      if (call->is_stream()) ++client.streams;
      call->BeginUnanswered();
      beating_.emplace(call->id(), call);
      calls_.emplace(call->id(), call);
      return status;
    }
    is_one_too_many = client.refused >= refused_max_ - std::ssize(refused_) - 1;
    if (!is_one_too_many) {
      ++client.refused;
      refused_.insert(call->id());
    }
  }
  if (is_one_too_many) {
    call->BreakOff();
    if (client.unanswered + client.refused >= kManyCalls) rpc::BreakOff(client);
  }
  return status;
}

absl::Status Calls::CheckOwn(const Call& call, const Client& client) const {
  if (closed_for_all_ || (closed_ && !call.is_about_health())) {
    return absl::UnavailableError("the broker is shutting down: connect again");
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

absl::Status Calls::CheckRoom(const Client& client) const {
  const int64_t free = calls_max_ - (std::ssize(calls_) - std::ssize(few_));
  if (free <= 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the broker has ", calls_max_, " open calls, its bound (--calls-max): try again later"));
  }
  const auto found = by_address_.find(client.address);
  const int64_t of_address = found == by_address_.end() ? 0 : found->second;
  if (of_address >= calls_per_address_max_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this address has ", of_address, " open calls: the last tenth of ", calls_max_,
                     " (--calls-max) is kept for others; wait for some of them, or use a stream"));
  }
  if (client.calls >= std::min(free, calls_per_address_max_ - of_address)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this connection has ", client.calls.load(), " of the ", calls_max_,
                     " calls that may be open (--calls-max), and what is left is for those who "
                     "have fewer: wait for some of them, or use a stream"));
  }
  return absl::OkStatus();
}

bool Calls::FindsRoomAmongFew(const Client& client) const {
  const int64_t free = few_max_ - std::ssize(few_);
  if (free <= 0 || client.unanswered >= kFewCalls) return false;
  return client.few < std::max<int64_t>(kFewCalls, free / kFewShare);
}

void Calls::Remove(Call& call) {
  Client& client = *call.client();
  std::lock_guard lock(mutex_);
  if (calls_.erase(call.id()) == 0) {
    client.refused -= static_cast<int32_t>(refused_.erase(call.id()));
    return;
  }
  call.Answered();
  beating_.erase(call.id());
  RestingWith(call).erase(call.id());
  if (call.is_stream()) --client.streams;
  client.idle_since_ms = clock_.NowMs();
  --client.calls;
  if (few_.erase(call.id()) > 0) {
    --client.few;
    return;
  }
  const auto of_address = by_address_.find(client.address);
  if (--of_address->second == 0) by_address_.erase(of_address);
}

int64_t Calls::size() const {
  std::lock_guard lock(mutex_);
  return std::ssize(calls_);
}

std::shared_ptr<Call> Calls::Find(engine::CallId id) const {
  std::lock_guard lock(mutex_);
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Call>> Calls::Beating() {
  std::lock_guard lock(mutex_);
  if (std::ssize(calls_) > calls_max_ / 2) return AllLocked();
  next_resting_ = (next_resting_ + 1) % resting_.size();
  const auto& resting = resting_[next_resting_];
  std::vector<std::shared_ptr<Call>> beating;
  beating.reserve(beating_.size() + resting.size());
  for (const auto& [id, call] : beating_) beating.push_back(call);
  for (const auto& [id, call] : resting) beating.push_back(call);
  return beating;
}

void Calls::StopBeat(const Call& call) {
  std::lock_guard lock(mutex_);
  beating_.erase(call.id());
}

void Calls::StartBeat(const std::shared_ptr<Call>& call) {
  std::lock_guard lock(mutex_);
  if (calls_.contains(call->id())) beating_.emplace(call->id(), call);
}

void Calls::Rest(const Call& call) {
  std::lock_guard lock(mutex_);
  const auto found = beating_.find(call.id());
  if (found == beating_.end()) return;
  RestingWith(call).insert(std::move(*found));
  beating_.erase(found);
}

std::vector<std::shared_ptr<Call>> Calls::All() const {
  std::lock_guard lock(mutex_);
  return AllLocked();
}

std::vector<std::shared_ptr<Call>> Calls::AllLocked() const {
  std::vector<std::shared_ptr<Call>> all;
  all.reserve(calls_.size());
  for (const auto& [id, call] : calls_) all.push_back(call);
  return all;
}

void Calls::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

void Calls::CloseForAll() {
  std::lock_guard lock(mutex_);
  closed_for_all_ = true;
}

}  // namespace treadle::rpc
