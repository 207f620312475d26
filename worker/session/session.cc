#include "worker/session/session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/support/limits.h"
#include "proto/wire/settings.h"

// The loop, and the stream's life. What arrives is in session_arrivals.cc, the end in
// session_drain.cc.

namespace treadle::worker {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A message costs as much as some tens of small reports. So the next one waits the longer the more
// the last one carried: a lone report leaves at once, a flood travels in large messages.
constexpr microseconds kSpacingForEachReport{20};
constexpr microseconds kSpacingMin{100};
constexpr microseconds kSpacingMax{1'000};
constexpr milliseconds kProgressEvery{100};
// Output alone: what people read need not be there sooner.
constexpr milliseconds kOutputEvery{1};
// A broker that stays away is complained about so often.
constexpr milliseconds kComplainEvery{60'000};
// While no more than that is not acknowledged, the answer may come with the next tasks.
constexpr int64_t kWaitingReportsMax = 64;
constexpr int64_t kWaitingReportBytesMax = 64 * limits::kKiB;
// Results that the broker has not acknowledged; beyond it no more work is asked for.
constexpr int64_t kReportBytesMax = 64 * limits::kMiB;

// The broker does not want this worker, and asking again would change nothing.
bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

}  // namespace

Session::Session(SessionOptions options)
    : options_(std::move(options)),
      leases_({}),
      backoff_(options_.reconnect_min),
      payload_bytes_max_(limits::kPayloadBytesMax) {}

Session::~Session() = default;

absl::Status Session::Serve(std::vector<ServedPool> pools) {
  if (absl::Status started = stop_clock_.Start(); !started.ok()) return started;
  Lock lock(mutex_);
  pools_ = std::move(pools);
  std::vector<LeaseBook::Room> rooms;
  for (const ServedPool& pool : pools_) rooms.emplace_back(pool.pool->slots(), pool.prefetch);
  leases_ = LeaseBook(rooms);
  TakeTypes();
  while (phase_ != Phase::kOver) {
    if (Step(lock, steady_clock::now())) continue;
    wake_at_ = NextWake(steady_clock::now());
    do {
      const Time until = wake_at_;
      queue_.PrepareToWait();
      lock.unlock();
      queue_.Wait(until);
      lock.lock();
    } while (wake_at_ > steady_clock::now());
    wake_at_ = Time::min();
  }
  confirmed_.notify_all();
  lock.unlock();
  stop_clock_.Close();
  return result_;
}

bool Session::Step(Lock& lock, Time now) {
  if (!notes_.empty()) {
    std::vector<std::pair<LogLevel, std::string>> notes = std::move(notes_);
    notes_.clear();
    lock.unlock();
    for (const auto& [level, line] : notes) options_.log(level, line);
    lock.lock();
    return true;
  }
  if (now >= tick_at_) {
    tick_at_ = now + Prefetch::kWindow;
    leases_.Tick();
    HandBackSurplus();
    if (options_.every_window && phase_ == Phase::kServing) {
      lock.unlock();
      options_.every_window();
      lock.lock();
    }
  }
  return AdvanceDrain(lock, now) || KeepStream(lock, now);
}

void Session::TakeTypes() {
  for (size_t pool = 0; pool < pools_.size(); ++pool) {
    leases_.Serve(static_cast<int32_t>(pool), !pools_[pool].types.empty());
  }
}

void Session::Place(const std::vector<std::vector<std::string>>& types) {
  std::lock_guard lock(mutex_);
  for (size_t pool = 0; pool < pools_.size(); ++pool) pools_[pool].types = types[pool];
  TakeTypes();
  replace_stream_ = true;
  Wake();
}

void Session::TellHandlers(HandlerStatsList handlers) {
  std::lock_guard lock(mutex_);
  handlers_ = std::move(handlers);
  handlers_told_ = false;
  WakeBy(SendDue());
}

Session::Time Session::NextWake(Time now) const {
  if (phase_ == Phase::kClosing && cancelled_) return Time::max();  // the stream's end wakes
  Time wake = phase_ == Phase::kServing ? tick_at_ : phase_until_;
  const auto include = [&](Time time) { wake = std::min(wake, time); };
  if (phase_ == Phase::kReporting && drain_told_ && drain_heard_by() > now) {
    include(drain_heard_by());
  }
  if (stream_ == nullptr) {
    include(connect_at_);
  } else if (!cancelled_) {
    include(SilentAt());
    if (phase_ != Phase::kClosing) include(SendDue());
    // Those who have something to send until then need not wake us.
    if (sent_at_ + spacing_ > now) include(sent_at_ + spacing_);
  }
  return wake;
}

void Session::WakeBy(Time time) {
  if (time >= wake_at_) return;
  wake_at_ = time;
  queue_.Wake();
}

void Session::Note(LogLevel level, std::string line) {
  notes_.emplace_back(level, std::move(line));
  Wake();
}

bool Session::KeepStream(Lock& lock, Time now) {
  if (stream_ == nullptr) {
    if (now < connect_at_) return false;
    Connect(lock, now);
  } else if (ended_) {
    StreamEnded(lock, now);
  } else if (cancelled_) {
    return false;
  } else if (replace_stream_ && welcomed_ && !writing_ && phase_ == Phase::kServing) {
    replacing_ = cancelled_ = true;
    stream_->Cancel();
  } else if (broken_) {
    CancelStream("it does not keep to the protocol");
  } else if (now >= SilentAt()) {
    CancelStream("nothing was heard from it for too long");
  } else if (phase_ != Phase::kClosing && now >= SendDue()) {
    Send(lock, now);
  } else {
    return false;
  }
  return true;
}

void Session::Connect(Lock& lock, Time now) {
  hello_ = Hello();
  ended_.reset();
  welcomed_ = cancelled_ = broken_ = drain_told_ = replace_stream_ = false;
  writing_ = writing_hello_ = true;
  handlers_told_ = handlers_.empty();
  heard_at_ = sent_at_ = now;
  peer_silent_ = options_.peer_silent;
  arriving_ = false;
  lock.unlock();
  // A connection of its own, made anew: it is tried at once, and says why it fails.
  auto stream = std::make_unique<AttachStream>(
      wire::NewChannel(options_.broker, options_.http_proxy), queue_, *this, hello_);
  lock.lock();
  stream_ = std::move(stream);
}

v1::AttachRequest Session::Hello() {
  v1::AttachRequest request;
  v1::WorkerHello& hello = *request.mutable_hello();
  hello.set_worker_id(options_.worker_id);
  hello.set_worker_name(options_.worker_name);
  hello.mutable_labels()->insert(options_.labels.begin(), options_.labels.end());
  hello.set_message_bytes_max(wire::kTakenBytesMax);
  for (const std::string& queue : options_.queues) hello.add_queues(queue);
  for (const ServedPool& served : pools_) {
    v1::WorkerPool& pool = *hello.add_pools();
    pool.set_name(std::string(served.pool->name()));
    pool.set_slots(served.pool->slots());
    for (const std::string& type : served.types) pool.add_types(type);
    if (served.types.empty()) pool.add_types(wire::kNoType);
  }
  confirming_.clear();
  confirm_wanted_ = false;
  leases_.FillHello(hello);
  leases_.FillStarts(request, confirming_);
  reports_.AddHeld(hello);
  output_.DropAllBut(hello.held_tokens());
  return request;
}

bool Session::credit_due() const {
  return reports_.bytes() < kReportBytesMax && leases_.has_credit(reports_.size());
}

Session::Time Session::SendDue() const {
  if (!welcomed_ || writing_) return Time::max();
  if (confirm_wanted_ || reports_.full()) return Time::min();
  if (phase_ != Phase::kServing && !drain_told_) return Time::min();
  Time due = HeartbeatDue();
  if (reports_.waiting() > 0 || credit_due() || !handlers_told_) {
    due = std::min(due, sent_at_ + spacing_);
  }
  if (output_.waiting() > 0) due = std::min(due, sent_at_ + kOutputEvery);
  if (leases_.has_starts()) due = std::min(due, begun_at_ + kStartsLate);
  if (leases_.has_progress()) due = std::min(due, progress_at_ + kProgressEvery);
  return due;
}

void Session::Send(Lock& lock, Time now) {
  const bool tells_drain = phase_ != Phase::kServing && !drain_told_;
  OutputReports output = output_.Take();
  v1::AttachRequest& request = reports_.Take(tells_drain, std::move(output), output_);
  if (credit_due()) leases_.FillCredit(request, reports_.size());
  leases_.FillStarts(request, confirming_);
  confirm_wanted_ = false;
  if (leases_.has_progress() && now >= progress_at_ + kProgressEvery) {
    leases_.FillProgress(request);
    progress_at_ = now;
  }
  if (!std::exchange(handlers_told_, true)) *request.mutable_handlers() = handlers_;
  if (tells_drain) {
    request.set_drain(true);
    drain_told_ = true;
    drain_told_at_ = now;
    drain_sequence_ = request.report_sequence();
  }
  request.set_answer_may_wait(!tells_drain && reports_.writing() > 0 &&
                              reports_.size() <= kWaitingReportsMax &&
                              reports_.bytes() <= kWaitingReportBytesMax);
  spacing_ = std::clamp<microseconds>(kSpacingForEachReport * reports_.writing(), kSpacingMin,
                                      kSpacingMax);
  sent_at_ = now;
  writing_ = true;
  lock.unlock();
  // What cannot be sent any more is kept: the stream's end will say so.
  stream_->Write(request);
  lock.lock();
}

void Session::Written(bool ok) {
  std::lock_guard lock(mutex_);
  writing_ = false;
  if (!std::exchange(writing_hello_, false)) reports_.Written();
  if (ok && !confirming_.empty()) {
    for (const uint64_t token : confirming_) {
      if (LeaseBook::Lease* const lease = leases_.Find(token)) lease->confirmed = true;
    }
    confirming_.clear();
    confirmed_.notify_all();
  }
  if (phase_ == Phase::kServing) {
    WakeBy(SendDue());
  } else {
    Wake();
  }
}

void Session::Ended(const absl::Status& status) {
  std::lock_guard lock(mutex_);
  ended_ = status;
  Wake();
}

void Session::CancelStream(const char* why) {
  Note(LogLevel::kWarning, absl::StrCat("leaving broker ", options_.broker.ToString(), ": ", why));
  cancelled_ = true;
  stream_->Cancel();
}

void Session::StreamEnded(Lock& lock, Time now) {
  const absl::Status status = *std::move(ended_);
  ended_.reset();
  lock.unlock();
  stream_.reset();
  lock.lock();
  // Its callbacks are over, though a write may have been given up without one.
  writing_ = writing_hello_ = false;
  reports_.StreamLost();
  output_.StreamLost();
  disk_.StreamLost();
  const bool was_welcomed = std::exchange(welcomed_, false);
  if (std::exchange(replacing_, false) && phase_ == Phase::kServing) {
    connect_at_ = now;
    return;
  }
  if (phase_ == Phase::kClosing) {
    phase_ = Phase::kOver;
    return;
  }
  if (!ever_welcomed_ && IsRefusal(status)) {
    result_ = status;
    phase_ = Phase::kOver;
    return;
  }
  const bool refused = !was_welcomed && IsRefusal(status);
  if (was_welcomed || now >= complain_at_ || (refused && !refusal_told_)) {
    complain_at_ = now + kComplainEvery;
    refusal_told_ = refused;
    const char* const what = was_welcomed ? "lost broker "
                             : refused    ? "refused by broker "
                                          : "cannot reach broker ";
    Note(LogLevel::kWarning, absl::StrCat(what, options_.broker.ToString(), " (",
                                          status.ok() ? "it ended the stream" : status.ToString(),
                                          "): trying again; ", leases_.size(), " tasks are kept"));
  }
  const double share = std::uniform_real_distribution<double>(0.5, 1)(random_);
  connect_at_ = now + std::chrono::duration_cast<microseconds>(backoff_ * share);
  backoff_ = std::min(backoff_ * 2, options_.reconnect_max);
}

}  // namespace treadle::worker
