#include "server/broker/inbox.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/broker/body.h"

namespace treadle::broker {
namespace {

// What a request holds in memory, near enough.
int64_t BytesOf(const Request& request) {
  int64_t bytes = sizeof(Request);
  if (request.body != nullptr) bytes += BytesOf(*request.body);
  if (const auto* command = std::get_if<engine::Command>(&request.action)) {
    if (const auto* end = std::get_if<engine::EndAttempt>(command)) {
      bytes += static_cast<int64_t>(end->error.message.size());
    }
  }
  return bytes;
}

bool EndsCall(const Request& request) {
  const auto* command = std::get_if<engine::Command>(&request.action);
  return command != nullptr && std::holds_alternative<engine::CallClosed>(*command);
}

}  // namespace

Inbox::Inbox(int64_t requests_max, int64_t bytes_max)
    : requests_max_(requests_max), bytes_max_(bytes_max) {}

absl::Status Inbox::Post(std::vector<Request>&& requests) {
  int64_t bytes = 0;
  bool all_end_calls = true;
  for (const Request& request : requests) {
    bytes += BytesOf(request);
    all_end_calls = all_end_calls && EndsCall(request);
  }
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return absl::UnavailableError("the broker is shutting down: try again later");
    const auto count = static_cast<int64_t>(requests.size());
    const bool full =
        requests_ + count > requests_max_ || (requests_ > 0 && bytes_ + bytes > bytes_max_);
    if (full && !all_end_calls) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the broker is overloaded (", requests_, " requests, ", bytes_,
                       " bytes are waiting): try again later, or send less at a time"));
    }
    if (requests.empty()) return absl::OkStatus();
    posted_.push_back(std::move(requests));
    requests_ += count;
    bytes_ += bytes;
    wake = std::exchange(waiting_, false);
  }
  if (wake) news_.notify_one();
  return absl::OkStatus();
}

void Inbox::Close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_ = false;
  }
  news_.notify_one();
}

void Inbox::Synced(absl::StatusOr<store::Sequence> upto) {
  {
    std::lock_guard lock(mutex_);
    if (!synced_.ok() || (upto.ok() && *upto <= *synced_)) return;
    synced_ = std::move(upto);
    waiting_ = false;
  }
  news_.notify_one();
}

absl::Span<Request> Inbox::Take(size_t max) {
  while (batch_ < taken_.size() && next_ == taken_[batch_].size()) {
    std::exchange(taken_[batch_++], {});
    next_ = 0;
  }
  if (batch_ == taken_.size()) {
    taken_.clear();
    batch_ = 0;
    std::lock_guard lock(mutex_);
    posted_.swap(taken_);
    requests_ = 0;
    bytes_ = 0;
  }
  if (taken_.empty()) return {};
  const absl::Span<Request> next = absl::MakeSpan(taken_[batch_]).subspan(next_, max);
  next_ += next.size();
  return next;
}

absl::StatusOr<store::Sequence> Inbox::synced() const {
  std::lock_guard lock(mutex_);
  return synced_;
}

bool Inbox::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

void Inbox::Wait(std::optional<int64_t> timeout_ms, store::Sequence seen, For what) {
  std::unique_lock lock(mutex_);
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms.value_or(0));
  const auto news = [&] {
    if (!synced_.ok() || *synced_ != seen) return true;
    return what == For::kAnything && (closed_ || !posted_.empty());
  };
  while (!news()) {
    waiting_ = true;
    if (!timeout_ms.has_value()) {
      news_.wait(lock);
    } else if (news_.wait_until(lock, until) == std::cv_status::timeout) {
      break;
    }
  }
  waiting_ = false;
}

}  // namespace treadle::broker
