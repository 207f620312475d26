#include "server/broker/inbox.h"

#include <algorithm>
#include <chrono>
#include <string>
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

  size_t operator()(const engine::Submit& submit) const {
    const engine::TaskSpec& spec = submit.spec;
    return spec.queue.size() + spec.type.size() + spec.request_key.size() +
           (spec.retry == nullptr ? 0 : Of(spec.retry->no_retry_error_types));
  }
  size_t operator()(const engine::EndAttempt& end) const {
    return end.error.message.size() + end.error.type.size();
  }
  size_t operator()(const engine::AttachWorker& attach) const {
    size_t bytes = Of(attach.queues) + attach.held.size() * sizeof(engine::HeldLease);
    for (const engine::PoolSpec& pool : attach.pools) bytes += sizeof(pool) + Of(pool.types);
    return bytes;
  }
  size_t operator()(const engine::PollTasks& poll) const {
    return Of(poll.queues) + Of(poll.types) + poll.worker_name.size();
  }
  // The others have a name of 255 bytes at most.
  template <typename Command>
  size_t operator()(const Command&) const {
    return 0;
  }
};

bool EndsCall(const Request& request) {
  const auto* command = std::get_if<engine::Command>(&request.action);
  return command != nullptr && std::holds_alternative<engine::CallClosed>(*command);
}

absl::Status ClosedError() {
  return absl::UnavailableError("the broker is shutting down: try again later");
}

}  // namespace

int64_t BytesOf(const Request& request) {
  size_t bytes = sizeof(Request);
  if (const auto* command = std::get_if<engine::Command>(&request.action)) {
    bytes += std::visit(HeapBytes(), *command);
  } else if (const auto* report = std::get_if<ReportProgress>(&request.action)) {
    bytes += report->progress.message.size();
  }
  return static_cast<int64_t>(bytes) + (request.body == nullptr ? 0 : BytesOf(*request.body));
}

Inbox::Inbox(const Clock& clock, int64_t requests_max, int64_t bytes_max)
    : clock_(clock), requests_max_(requests_max), bytes_max_(bytes_max) {}

absl::Status Inbox::Post(Lane lane, std::vector<Request>&& requests) {
  Load load{.requests = static_cast<int64_t>(requests.size())};
  bool all_end_calls = true;
  for (const Request& request : requests) {
    load.bytes += BytesOf(request);
    all_end_calls = all_end_calls && EndsCall(request);
  }
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return ClosedError();
    LaneState& at = At(lane);
    if (IsFull(at, load) && !all_end_calls) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the broker is overloaded (", at.load.requests, " requests, ", at.load.bytes,
                       " bytes are waiting): try again later, or send less at a time"));
    }
    wake = Append(at, std::move(requests), load);
  }
  if (wake) news_.notify_one();
  return absl::OkStatus();
}

absl::StatusOr<Reading> Inbox::PostFrom(engine::CallId stream, Lane lane,
                                        std::vector<Request>&& requests) {
  Load load{.requests = static_cast<int64_t>(requests.size())};
  for (const Request& request : requests) load.bytes += BytesOf(request);
  bool wake = false;
  Reading reading = Reading::kGoOn;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return ClosedError();
    LaneState& at = At(lane);
    if (IsFull(at, load)) {
      at.held.push_back({stream, load});
      reading = Reading::kWait;
    }
    wake = Append(at, std::move(requests), load);
  }
  if (wake) news_.notify_one();
  return reading;
}

bool Inbox::IsFull(const LaneState& lane, const Load& more) const {
  return lane.load.requests + more.requests > requests_max_ ||
         (lane.load.requests > 0 && lane.load.bytes + more.bytes > bytes_max_);
}

bool Inbox::Append(LaneState& lane, std::vector<Request>&& requests, const Load& load) {
  if (requests.empty()) return false;
  lane.posted.push_back({std::move(requests), clock_.NowMs()});
  lane.load.requests += load.requests;
  lane.load.bytes += load.bytes;
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
    const Load done = std::exchange(lane.done, {});
    lane.load.requests -= done.requests;
    lane.load.bytes -= done.bytes;
    any = any || (lanes[i] && lane.load.requests > 0);
    if (!lane.held.empty()) Resume(lane, resumed);
  }
  return any;
}

// As many as there is room for, if each posts as much again; one at least when all is taken.
void Inbox::Resume(LaneState& lane, std::vector<engine::CallId>& resumed) const {
  Load likely = lane.load;
  while (!lane.held.empty()) {
    const HeldStream& first = lane.held.front();
    const bool empty = likely.requests == 0;
    likely.requests += first.posted.requests;
    likely.bytes += first.posted.bytes;
    const bool fits = likely.requests <= requests_max_ && likely.bytes <= bytes_max_;
    if (!fits && !empty) return;
    resumed.push_back(first.call);
    lane.held.pop_front();
  }
}

absl::Span<Request> Inbox::Take(Lane lane, size_t requests_max, int64_t bytes_max) {
  LaneState& at = At(lane);
  while (at.batch < at.taken.size() && at.next == at.taken[at.batch].requests.size()) {
    std::exchange(at.taken[at.batch++].requests, {});
    at.next = 0;
  }
  if (at.batch == at.taken.size()) {
    at.taken.clear();
    at.batch = 0;
    std::lock_guard lock(mutex_);
    at.posted.swap(at.taken);
  }
  if (at.taken.empty()) return {};
  const absl::Span<Request> rest =
      absl::MakeSpan(at.taken[at.batch].requests).subspan(at.next, requests_max);
  size_t count = 0;
  for (int64_t bytes = 0; count < rest.size() && bytes < bytes_max; ++count) {
    const int64_t more = BytesOf(rest[count]);
    bytes += more - static_cast<int64_t>(sizeof(Request));
    at.done.bytes += more;
  }
  at.done.requests += static_cast<int64_t>(count);
  at.next += count;
  return rest.first(count);
}

int64_t Inbox::OldestArrivalMs(Lane lane) const {
  const LaneState& at = At(lane);
  for (size_t i = at.batch; i < at.taken.size(); ++i) {
    const size_t next = i == at.batch ? at.next : 0;
    if (next < at.taken[i].requests.size()) return at.taken[i].arrived_ms;
  }
  std::lock_guard lock(mutex_);
  return at.posted.empty() ? INT64_MAX : at.posted.front().arrived_ms;
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
