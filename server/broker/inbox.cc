#include "server/broker/inbox.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

#include "server/broker/body.h"

namespace treadle::broker {
namespace {

// What a command holds beside itself, near enough.
struct HeapBytes {
  static size_t Of(const std::vector<std::string>& names) {
    size_t bytes = names.size() * sizeof(std::string);
    for (const std::string& name : names) bytes += name.size();
    return bytes;
  }

  static size_t Of(const engine::Labels& labels) {
    size_t bytes = labels.size() * sizeof(engine::Labels::value_type);
    for (const auto& [key, value] : labels) bytes += key.size() + value.size();
    return bytes;
  }

  size_t operator()(const engine::Submit& submit) const {
    const engine::TaskSpec& spec = submit.spec;
    return spec.queue.size() + spec.type.size() + spec.request_key.size() +
           (spec.retry == nullptr ? 0 : Of(spec.retry->no_retry_error_types)) +
           submit.payload_sizes.size() * sizeof(uint32_t);
  }
  size_t operator()(const engine::EndAttempt& end) const {
    return end.error.message.size() + end.error.type.size() +
           end.result_sizes.size() * sizeof(uint32_t);
  }
  size_t operator()(const engine::AttachWorker& attach) const {
    size_t bytes = Of(attach.queues) + attach.held_tokens.size() * sizeof(engine::Token);
    for (const engine::PoolSpec& pool : attach.pools) bytes += sizeof(pool) + Of(pool.types);
    return bytes + Of(attach.labels);
  }
  size_t operator()(const engine::PollTasks& poll) const {
    return Of(poll.queues) + Of(poll.types) + poll.worker_name.size();
  }
  size_t operator()(const engine::SetDrain& set) const { return Of(set.match.labels); }
  // The others have a few names of 255 bytes at most.
  template <typename Command>
  size_t operator()(const Command&) const {
    return 0;
  }
};

bool EndsCall(const Request& request) {
  const auto* command = std::get_if<engine::Command>(&request.action);
  return command != nullptr && std::holds_alternative<engine::CallClosed>(*command);
}

// What one client posts is taken in the order in which it was posted: its calls are one.
engine::CallId Whole(engine::CallId call) {
  return engine::CallId{uint64_t{engine::ClientOf(call)} << engine::kCallNumberBits};
}

absl::Status ClosedError() {
  return absl::UnavailableError("the broker is shutting down: try again later");
}

}  // namespace

engine::CallId CallOf(const Action& action) {
  return std::visit(
      [](const auto& of) {
        if constexpr (std::is_same_v<std::decay_t<decltype(of)>, engine::Command>) {
          return std::visit(
              [](const auto& command) {
                if constexpr (requires { command.call; }) return command.call;
                return engine::CallId{};
              },
              of);
        } else if constexpr (std::is_same_v<std::decay_t<decltype(of)>, AwaitOutput>) {
          return of.ask.call;
        } else {
          return of.call;
        }
      },
      action);
}

int64_t BytesOf(const Request& request) {
  size_t bytes = sizeof(Request);
  if (const auto* command = std::get_if<engine::Command>(&request.action)) {
    bytes += std::visit(HeapBytes(), *command);
  } else if (const auto* report = std::get_if<ReportProgress>(&request.action)) {
    bytes += report->progress.message.size();
  } else if (const auto* output = std::get_if<TakeOutput>(&request.action)) {
    for (const engine::OutputEntry& entry : output->entries) {
      bytes += sizeof(entry) + entry.data.size() + entry.content_type.size();
    }
  }
  return static_cast<int64_t>(bytes) + (request.body == nullptr ? 0 : BytesOf(*request.body));
}

int64_t WeightOf(const Request& request) {
  const auto* const command = std::get_if<engine::Command>(&request.action);
  if (command == nullptr) return 1;
  if (const auto* submit = std::get_if<engine::Submit>(command)) return submit->tasks();
  const auto* const end = std::get_if<engine::EndAttempt>(command);
  return end == nullptr ? 1 : end->tasks();
}

Inbox::Inbox(const Clock& clock, int64_t requests_max, int64_t bytes_max)
    : clock_(clock), requests_max_(requests_max), bytes_max_(bytes_max) {}

absl::Status Inbox::Post(Lane lane, std::vector<Request>&& requests) {
  Load load;
  bool all_end_calls = true;
  const engine::CallId call = requests.empty() ? engine::CallId{} : CallOf(requests.front().action);
  for (const Request& request : requests) {
    load.requests += WeightOf(request);
    load.bytes += BytesOf(request);
    all_end_calls = all_end_calls && EndsCall(request);
  }
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return ClosedError();
    LaneState& at = At(lane);
    if (IsFull(at, call, load) && !all_end_calls) return FullError(at, call, load);
    wake = Append(at, call, std::move(requests), load);
  }
  if (wake) news_.notify_one();
  return absl::OkStatus();
}

absl::StatusOr<Reading> Inbox::PostFrom(engine::CallId stream, Lane lane,
                                        std::vector<Request>&& requests) {
  Load load;
  for (const Request& request : requests) {
    load.requests += WeightOf(request);
    load.bytes += BytesOf(request);
  }
  bool wake = false;
  Reading reading = Reading::kGoOn;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return ClosedError();
    LaneState& at = At(lane);
    if (IsFull(at, stream, load)) {
      at.held.push_back({stream, load});
      reading = Reading::kWait;
    }
    wake = Append(at, stream, std::move(requests), load);
  }
  if (wake) news_.notify_one();
  return reading;
}

// Whoever sends much at once gets through, too, when nothing else is there.
bool Inbox::FitsInto(const LaneState& lane, const Load& more) const {
  return lane.load.requests == 0 || (lane.load.requests + more.requests <= requests_max_ &&
                                     lane.load.bytes + more.bytes <= bytes_max_);
}

bool Inbox::IsFull(const LaneState& lane, engine::CallId call, const Load& more) const {
  if (!FitsInto(lane, more)) return true;
  const auto own = lane.clients.find(engine::ClientOf(call));
  return own != lane.clients.end() && !HasShare(lane.load, own->second, more);
}

absl::Status Inbox::FullError(const LaneState& lane, engine::CallId call, const Load& more) const {
  const auto own = lane.clients.find(engine::ClientOf(call));
  if (FitsInto(lane, more) && own != lane.clients.end()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "this connection has ", own->second.requests, " requests, ", own->second.bytes,
        " bytes waiting, and may have as much as is free: ", requests_max_ - lane.load.requests,
        " requests, ", bytes_max_ - lane.load.bytes,
        " bytes (--incoming-max): wait for what you have sent, or send less at a time"));
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("the broker is overloaded (", lane.load.requests, " requests, ", lane.load.bytes,
                   " bytes wait; the bound is ", requests_max_, " requests and ", bytes_max_,
                   " bytes, --incoming-max): try again later, or send less at a time"));
}

// A client that has something there may have as much as is still free.
bool Inbox::HasShare(const Load& all, const Load& own, const Load& more) const {
  return own.requests == 0 || (own.requests + more.requests <= requests_max_ - all.requests &&
                               own.bytes + more.bytes <= bytes_max_ - all.bytes);
}

bool Inbox::Append(LaneState& lane, engine::CallId call, std::vector<Request>&& requests,
                   const Load& load) {
  if (requests.empty()) return false;
  lane.posted.push_back({call, std::move(requests), clock_.NowMs()});
  lane.load.Add(load);
  if (const uint32_t client = engine::ClientOf(call); client != 0) lane.clients[client].Add(load);
  return std::exchange(waiting_, false);
}

void Inbox::Close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_ = false;
  }
  news_.notify_one();
}

void Inbox::Written(absl::StatusOr<store::Sequence> upto) {
  Returned(std::move(upto), &StoreProgress::written);
}

void Inbox::Synced(absl::StatusOr<store::Sequence> upto) {
  Returned(std::move(upto), &StoreProgress::synced);
}

void Inbox::Returned(absl::StatusOr<store::Sequence> upto, store::Sequence StoreProgress::*which) {
  {
    std::lock_guard lock(mutex_);
    if (!progress_.ok()) return;
    if (!upto.ok()) {
      progress_ = upto.status();
    } else {
      (*progress_).*which = std::max((*progress_).*which, *upto);
    }
    if (!waiting_ || !HasProgress(seen_)) return;
    waiting_ = false;
  }
  news_.notify_one();
}

bool Inbox::HasProgress(const StoreProgress& seen) const {
  return !progress_.ok() || progress_->written > seen.written || progress_->synced > seen.synced;
}

void Inbox::Found(absl::AnyInvocable<void()> then) {
  {
    std::lock_guard lock(mutex_);
    found_.push_back(std::move(then));
    waiting_ = false;
  }
  news_.notify_one();
}

std::vector<absl::AnyInvocable<void()>> Inbox::TakeFound() {
  std::lock_guard lock(mutex_);
  return std::exchange(found_, {});
}

bool Inbox::BeginTurn(LaneSet lanes, std::vector<engine::CallId>& resumed) {
  std::lock_guard lock(mutex_);
  bool any = false;
  for (size_t i = 0; i < kLanes; ++i) {
    LaneState& lane = lanes_[i];
    lane.load.Remove(std::exchange(lane.done, {}));
    for (const auto& [client, done] : lane.clients_done) {
      const auto found = lane.clients.find(client);
      found->second.Remove(done);
      if (found->second.requests == 0) lane.clients.erase(found);
    }
    lane.clients_done.clear();
    any = any || (lanes[i] && lane.load.requests > 0);
    if (!lane.held.empty()) Resume(lane, resumed);
  }
  return any;
}

// As many as there is room for, if each posts as much again; one at least when all is taken. Those
// whose client has its share already wait longer than others.
void Inbox::Resume(LaneState& lane, std::vector<engine::CallId>& resumed) const {
  constexpr size_t kLooks = 64;
  Load likely = lane.load;
  Loads clients;
  for (size_t looks = std::min(lane.held.size(), kLooks); looks > 0 && !lane.held.empty();) {
    const HeldStream first = lane.held.front();
    const bool empty = likely.requests == 0;
    Load after = likely;
    after.Add(first.posted);
    if (!empty && (after.requests > requests_max_ || after.bytes > bytes_max_)) return;
    lane.held.pop_front();
    const uint32_t client = engine::ClientOf(first.call);
    const auto own = lane.clients.find(client);
    Load& more = clients[client];
    if (own != lane.clients.end()) {
      Load has = own->second;
      has.Add(more);
      if (!HasShare(likely, has, first.posted)) {
        lane.held.push_back(first);
        --looks;
        continue;
      }
    }
    more.Add(first.posted);
    likely = after;
    resumed.push_back(first.call);
  }
}

// What was taken from last time goes back as far as it was not taken.
void Inbox::PutBack(LaneState& lane) {
  Batch batch = std::exchange(lane.taken, {});
  if (batch.requests.empty()) return;
  if (batch.next < batch.requests.size()) {
    lane.waiting.GiveBackRest(Whole(batch.call), std::move(batch), lane.taken_bytes);
  } else {
    lane.waiting.Done(Whole(batch.call), lane.taken_bytes);
  }
}

absl::Span<Request> Inbox::Take(Lane lane, int64_t requests_max, int64_t bytes_max) {
  LaneState& at = At(lane);
  PutBack(at);
  std::vector<Batch> posted;
  {
    std::lock_guard lock(mutex_);
    posted.swap(at.posted);
  }
  for (Batch& batch : posted) {
    batch.number = at.arrivals.Add(batch.arrived_ms);
    const engine::CallId client = Whole(batch.call);
    at.waiting.Add(client, std::move(batch));
  }
  if (requests_max == 0) return {};
  auto next = at.waiting.Next();
  if (!next.has_value()) return {};
  at.taken = std::move(next->second);
  const absl::Span<Request> rest = absl::MakeSpan(at.taken.requests).subspan(at.taken.next);
  size_t count = 0;
  Load done;
  for (int64_t bytes = 0; count < rest.size() && bytes < bytes_max && done.requests < requests_max;
       ++count) {
    const int64_t more = BytesOf(rest[count]);
    bytes += more - static_cast<int64_t>(sizeof(Request));
    done.Add({WeightOf(rest[count]), more});
  }
  at.taken_bytes = done.bytes;
  at.done.Add(done);
  if (const uint32_t client = engine::ClientOf(at.taken.call); client != 0) {
    at.clients_done.emplace_back(client, done);
  }
  at.taken.next += count;
  if (at.taken.next == at.taken.requests.size()) at.arrivals.Taken(at.taken.number);
  return rest.first(count);
}

LaneFigures Inbox::Figures(Lane lane) const {
  std::lock_guard lock(mutex_);
  const LaneState& at = At(lane);
  return {at.load.requests, at.load.bytes, static_cast<int64_t>(at.held.size())};
}

int64_t Inbox::OldestArrivalMs(Lane lane) const {
  const LaneState& at = At(lane);
  if (const int64_t oldest_ms = at.arrivals.oldest_ms(); oldest_ms != INT64_MAX) return oldest_ms;
  std::lock_guard lock(mutex_);
  return at.posted.empty() ? INT64_MAX : at.posted.front().arrived_ms;
}

void Inbox::ForEachCall(Lane lane, absl::FunctionRef<void(engine::CallId)> visit) const {
  const LaneState& at = At(lane);
  if (at.taken.next < at.taken.requests.size()) visit(at.taken.call);
  at.waiting.ForEach([&](engine::CallId, const Batch& batch) { visit(batch.call); });
  std::lock_guard lock(mutex_);
  for (const Batch& batch : at.posted) visit(batch.call);
}

absl::StatusOr<StoreProgress> Inbox::progress() const {
  std::lock_guard lock(mutex_);
  return progress_;
}

bool Inbox::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

void Inbox::Wait(int64_t timeout_ms, StoreProgress seen, LaneSet lanes) {
  std::unique_lock lock(mutex_);
  const auto news = [&] {
    if (HasProgress(seen) || !found_.empty() || (closed_ && lanes.all())) return true;
    for (size_t i = 0; i < kLanes; ++i) {
      if (lanes[i] && !lanes_[i].posted.empty()) return true;
    }
    return false;
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  seen_ = seen;
  while (!news()) {
    waiting_ = true;
    if (news_.wait_until(lock, until) == std::cv_status::timeout) break;
  }
  waiting_ = false;
}

void Inbox::WaitForStore(StoreProgress seen) {
  std::unique_lock lock(mutex_);
  seen_ = seen;
  while (!HasProgress(seen)) {
    waiting_ = true;
    news_.wait(lock);
  }
  waiting_ = false;
}

}  // namespace treadle::broker
