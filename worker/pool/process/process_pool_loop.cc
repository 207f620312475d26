#include "worker/pool/process/process_pool_loop.h"

#include <algorithm>
#include <limits>
#include <stop_token>
#include <system_error>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "proto/support/thread_name.h"

// The thread, and what other threads ask of it.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr uint64_t kWakeKey = 0;
// How often children are looked at where the system does not tell of their end.
constexpr int kLookEveryMs = 10;
constexpr int kSleepMsMax = 60'000;

}  // namespace

ProcessPool::Loop::Loop(ProcessPoolOptions options, std::shared_ptr<const Handlers> handlers,
                        std::shared_ptr<AttemptEvents> events)
    : options_(std::move(options)),
      handlers_(std::move(handlers)),
      events_(std::move(events)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      places_(static_cast<size_t>(options_.slots)),
      confirmed_starts_(
          std::make_unique<ConfirmedStarts>(events_, [this](const AttemptPtr& attempt, bool begun) {
            std::lock_guard lock(mutex_);
            confirmed_.emplace_back(attempt, begun);
            Wake();
          })) {}

ProcessPool::Loop::~Loop() { Shutdown(milliseconds(0)); }

absl::Status ProcessPool::Loop::Start(std::shared_ptr<CgroupTree> cgroups) {
  cgroups_ = std::move(cgroups);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeKey;
  if (!epoll_.open() || !wake_.open() ||
      ::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, wake_.number(), &event) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("pool '", options_.name, "': no more files can be opened"));
  }
  // The children are started by this thread, and end with it at the latest.
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the thread of pool '", options_.name, "' cannot be started: ", error.what()));
  }
  const std::stop_callback broken_off(options_.stop_starting, [this] {
    std::lock_guard lock(mutex_);
    if (!started_) {
      start_.Update(absl::CancelledError(
          absl::StrCat("the start of pool '", options_.name, "' was broken off")));
    }
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return started_ || !start_.ok(); });
  return start_;
}

size_t ProcessPool::Loop::Submit(std::span<AttemptPtr> attempts) {
  std::lock_guard lock(mutex_);
  if (closed_) return 0;
  const int64_t room =
      options_.slots + options_.waiting_max - running_ - static_cast<int64_t>(waiting_.size());
  const size_t taken = std::min(attempts.size(), static_cast<size_t>(std::max<int64_t>(room, 0)));
  for (AttemptPtr& attempt : attempts.first(taken)) waiting_.PushBack(std::move(attempt));
  if (taken > 0 && std::exchange(wake_for_work_, false)) Wake();
  return taken;
}

void ProcessPool::Loop::Stop(const AttemptPtr& attempt, StopReason reason) {
  // Before the loop looks at it.
  bool waited;
  {
    std::lock_guard lock(mutex_);
    waited = waiting_.Remove(*attempt);
  }
  attempt->RequestStop(reason);
  if (waited) {
    events_->End(attempt, AttemptResult::Stopped());
    return;
  }
  std::lock_guard lock(mutex_);
  stops_.push_back(attempt);
  Wake();
}

std::vector<AttemptPtr> ProcessPool::Loop::TakeBack(size_t count) {
  std::lock_guard lock(mutex_);
  return waiting_.TakeBack(count);
}

void ProcessPool::Loop::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

size_t ProcessPool::Loop::Shutdown(milliseconds grace) {
  Close();
  for (const AttemptPtr& attempt : TakeBack(std::numeric_limits<size_t>::max())) {
    events_->End(attempt, AttemptResult::Released());
  }
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(shut_down_, true)) return 0;
    shutdown_until_ = steady_clock::now() + grace;
    Wake();
  }
  if (thread_.joinable()) thread_.join();
  return 0;
}

void ProcessPool::Loop::Wake() {
  const uint64_t one = 1;
  static_cast<void>(::write(wake_.number(), &one, sizeof(one)));
}

void ProcessPool::Loop::Run() {
  NameThread("process-pool");
  while (true) {
    const Time now = steady_clock::now();
    ObeyStops(now);
    AdvanceShutdown(now);
    const bool room = room_.exchange(false);
    for (const auto& child : children_) {
      if (room) HearOn(*child, now);
      SignalLate(*child, now);
      if (pidless_ || now >= child->look_at) CheckExit(*child, now);
    }
    std::erase_if(children_, [](const auto& child) { return child->gone; });
    StartChildren(now);
    GiveWork(now);
    TellEnds();
    if (over()) return;
    WaitForEvents();
  }
}

void ProcessPool::Loop::WaitForEvents() {
  int wait_ms = WaitMs(steady_clock::now());
  {
    std::lock_guard lock(mutex_);
    const bool idle = idle_ > confirming_;
    if (!stops_.empty() || !confirmed_.empty() || (idle && !waiting_.empty())) wait_ms = 0;
    wake_for_work_ = idle && wait_ms != 0;
  }
  epoll_event events[64];
  const int count = ::epoll_wait(epoll_.number(), events, std::size(events), wait_ms);
  if (wait_ms != 0) {
    std::lock_guard lock(mutex_);
    wake_for_work_ = false;
  }
  const Time now = steady_clock::now();
  for (int i = 0; i < count; ++i) Handle(events[i].data.u64, now);
}

// -1: for ever.
int ProcessPool::Loop::WaitMs(Time now) const {
  Time wake = kill_all_at_;
  for (const auto& child : children_) {
    wake = std::min({wake, child->next_signal_at, child->kill_at, child->look_at});
  }
  if (!shutting_down_) {
    for (const Place& place : places_) {
      if (place.child == nullptr) wake = std::min(wake, place.start_at);
    }
  }
  int wait_ms = -1;
  if (wake != Time::max()) {
    const auto left = std::chrono::ceil<milliseconds>(wake - now).count();
    wait_ms = static_cast<int>(std::clamp<int64_t>(left, 0, kSleepMsMax));
  }
  if (pidless_ && !children_.empty() && (wait_ms < 0 || wait_ms > kLookEveryMs)) {
    wait_ms = kLookEveryMs;
  }
  return wait_ms;
}

// A key is the address of a child, plus one when it is about its end.
void ProcessPool::Loop::Handle(uint64_t key, Time now) {
  if (key == kWakeKey) {
    uint64_t count;
    static_cast<void>(::read(wake_.number(), &count, sizeof(count)));
    return;
  }
  Child& child = *reinterpret_cast<Child*>(key & ~uint64_t{1});
  if (child.gone) return;
  if ((key & 1) != 0) {
    CheckExit(child, now);
    return;
  }
  if (child.sending && child.process->Flush()) {
    child.sending = false;
    Watch(child, EPOLL_CTL_MOD, false);
  }
  Read(child, now);
}

void ProcessPool::Loop::ObeyStops(Time now) {
  std::vector<AttemptPtr> stops;
  std::vector<std::pair<AttemptPtr, bool>> confirmed;
  {
    std::lock_guard lock(mutex_);
    stops.swap(stops_);
    confirmed.swap(confirmed_);
  }
  for (auto& [attempt, begun] : confirmed) {
    --confirming_;
    if (begun) {
      std::string payload = attempt->TakePayload();
      returned_.push_back({std::move(attempt), std::move(payload)});
    } else {
      ends_.emplace_back(std::move(attempt), AttemptResult::Stopped());
    }
  }
  for (const AttemptPtr& attempt : stops) {
    for (const auto& child : children_) {
      if (child->attempt == attempt) TellToStop(*child, now);
    }
  }
  std::erase_if(returned_, [this](Returned& returned) {
    if (returned.attempt->stop_reason() == StopReason::kNone && !shutting_down_) return false;
    returned.attempt->RequestStop(StopReason::kShutdown);
    AttemptResult result = AfterStop(*returned.attempt, AttemptResult::Stopped());
    ends_.emplace_back(std::move(returned.attempt), std::move(result));
    return true;
  });
}

void ProcessPool::Loop::AdvanceShutdown(Time now) {
  if (!shutting_down_) {
    {
      std::lock_guard lock(mutex_);
      if (!shut_down_) return;
      kill_all_at_ = shutdown_until_;
    }
    shutting_down_ = true;
    for (const auto& child : children_) {
      if (child->state == State::kRunning) {
        child->attempt->RequestStop(StopReason::kShutdown);
        TellToStop(*child, now);
      } else if (child->state == State::kStarting) {
        Kill(*child);
      } else if (child->state == State::kIdle) {
        Leave(*child, now);
      }
    }
    // What has begun and waits for a child is handed back.
    ObeyStops(now);
  }
  if (now < kill_all_at_) return;
  kill_all_at_ = Time::max();
  for (const auto& child : children_) Kill(*child);
}

AttemptPtr ProcessPool::Loop::TakeWaiting() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return nullptr;
  ++running_;
  return waiting_.PopFront();
}

void ProcessPool::Loop::GiveWork(Time now) {
  for (const auto& child : children_) {
    while (child->state == State::kIdle) {
      if (!returned_.empty()) {
        Returned returned = std::move(returned_.front());
        returned_.pop_front();
        Begin(*child, std::move(returned.attempt), std::move(returned.payload), now);
        break;
      }
      if (idle_ <= confirming_) return;
      AttemptPtr attempt = TakeWaiting();
      if (attempt == nullptr) return;
      if (attempt->info().confirm_start) {
        ++confirming_;
        confirmed_starts_->Begin(std::move(attempt));
      } else if (events_->Begin(attempt)) {
        std::string payload = attempt->TakePayload();
        Begin(*child, std::move(attempt), std::move(payload), now);
      } else {
        ends_.emplace_back(std::move(attempt), AttemptResult::Stopped());
      }
    }
  }
}

void ProcessPool::Loop::TellEnds() {
  if (ends_.empty()) return;
  std::vector<std::pair<AttemptPtr, AttemptResult>> ends = std::move(ends_);
  ends_.clear();
  {
    // The slots are free before the ends are told: whoever hears of one may submit the next.
    std::lock_guard lock(mutex_);
    running_ -= static_cast<int64_t>(ends.size());
  }
  for (auto& [attempt, result] : ends) events_->End(attempt, std::move(result));
}

}  // namespace treadle::worker
