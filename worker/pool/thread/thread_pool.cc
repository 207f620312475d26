#include "worker/pool/thread/thread_pool.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/thread_name.h"
#include "worker/pool/attempt_line.h"
#include "worker/pool/pool_bounds.h"

namespace treadle::worker {
namespace {

void NameThisThread(const std::string& pool, int thread) {
  const std::string number = absl::StrCat("-", thread);
  NameThread(pool.substr(0, kThreadNameBytesMax - number.size()) + number);
}

}  // namespace

class ThreadPool::State : public std::enable_shared_from_this<ThreadPool::State> {
 public:
  State(ThreadPoolOptions options, std::shared_ptr<const Handlers> handlers,
        std::shared_ptr<AttemptEvents> events)
      : options_(std::move(options)), handlers_(std::move(handlers)), events_(std::move(events)) {}

  const ThreadPoolOptions& options() const { return options_; }

  absl::Status StartThreads();
  size_t Submit(std::span<AttemptPtr> attempts);
  void Stop(const AttemptPtr& attempt, StopReason reason);
  std::vector<AttemptPtr> TakeBack(size_t count);
  void Close();
  size_t Shutdown(std::chrono::milliseconds grace);

 private:
  struct Slot {
    std::thread thread;
    AttemptPtr running;
    bool over = false;  // the thread touches nothing of ours any more
  };

  void Run(int thread);
  absl::Status Initialize(int thread);
  void Work(Slot& slot);
  std::vector<AttemptPtr> Running();

  const ThreadPoolOptions options_;
  const std::shared_ptr<const Handlers> handlers_;
  const std::shared_ptr<AttemptEvents> events_;

  std::mutex mutex_;
  std::condition_variable work_;     // a waiting attempt, or closed
  std::condition_variable changed_;  // a thread was initialized, or is over
  // All below: GUARDED_BY(mutex_).
  AttemptLine waiting_;
  std::vector<Slot> slots_;  // its size is fixed before the first thread starts
  int running_ = 0;
  int idle_ = 0;         // threads that wait for work_
  int initialized_ = 0;  // or failed to be
  absl::Status initialization_;
  bool closed_ = false;
};

absl::Status ThreadPool::State::StartThreads() {
  std::unique_lock lock(mutex_);
  slots_.resize(static_cast<size_t>(options_.slots));
  int started = 0;
  try {
    for (; started < options_.slots; ++started) {
      slots_[static_cast<size_t>(started)].thread =
          std::thread([state = shared_from_this(), started] { state->Run(started); });
    }
  } catch (const std::system_error& error) {
    slots_.resize(static_cast<size_t>(started));
    initialization_ = absl::ResourceExhaustedError(
        absl::StrCat("thread ", started, " of pool '", options_.name,
                     "' cannot be started: ", error.what(), ": use fewer threads"));
  }
  changed_.wait(lock, [&] { return initialized_ == started; });
  return initialization_;
}

void ThreadPool::State::Run(int thread) {
  NameThisThread(options_.name, thread);
  const absl::Status initialized = Initialize(thread);
  Slot* slot;
  {
    std::lock_guard lock(mutex_);
    slot = &slots_[static_cast<size_t>(thread)];
    initialization_.Update(initialized);
    ++initialized_;
    changed_.notify_all();
  }
  if (initialized.ok()) Work(*slot);
  std::lock_guard lock(mutex_);
  slot->over = true;
  changed_.notify_all();
}

absl::Status ThreadPool::State::Initialize(int thread) {
  if (!options_.initializer) return absl::OkStatus();
  try {
    options_.initializer(thread);
    return absl::OkStatus();
  } catch (...) {
    const AttemptResult error = AttemptResult::FromCurrentException();
    return absl::FailedPreconditionError(absl::StrCat("the initializer of thread ", thread,
                                                      " of pool '", options_.name, "' threw ",
                                                      error.error_type, ": ", error.error_message));
  }
}

void ThreadPool::State::Work(Slot& slot) {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    work_.wait(lock, [this] { return !waiting_.empty() || closed_; });
    --idle_;
    if (waiting_.empty()) return;
    AttemptPtr attempt = waiting_.PopFront();
    slot.running = attempt;
    ++running_;
    lock.unlock();

    AttemptResult result = events_->Begin(attempt) ? RunHandler(*handlers_, *attempt, *events_)
                                                   : AttemptResult::Stopped();
    // The slot is free before the end is told: whoever hears of it may submit the next at once.
    lock.lock();
    slot.running = nullptr;
    --running_;
    lock.unlock();
    events_->End(attempt, std::move(result));
    attempt.reset();
    lock.lock();
  }
}

size_t ThreadPool::State::Submit(std::span<AttemptPtr> attempts) {
  std::unique_lock lock(mutex_);
  if (closed_) return 0;
  const int64_t room =
      options_.slots + options_.waiting_max - running_ - static_cast<int64_t>(waiting_.size());
  const size_t taken = std::min(attempts.size(), static_cast<size_t>(std::max<int64_t>(room, 0)));
  for (AttemptPtr& attempt : attempts.first(taken)) waiting_.PushBack(std::move(attempt));
  const size_t wake = std::min(taken, static_cast<size_t>(idle_));
  const bool all = wake == static_cast<size_t>(idle_);
  lock.unlock();
  if (all) {
    work_.notify_all();
  } else {
    for (size_t i = 0; i < wake; ++i) work_.notify_one();
  }
  return taken;
}

void ThreadPool::State::Stop(const AttemptPtr& attempt, StopReason reason) {
  bool waited;
  {
    std::lock_guard lock(mutex_);
    waited = waiting_.Remove(*attempt);
  }
  attempt->RequestStop(reason);
  if (waited) events_->End(attempt, AttemptResult::Stopped());
}

std::vector<AttemptPtr> ThreadPool::State::TakeBack(size_t count) {
  std::lock_guard lock(mutex_);
  return waiting_.TakeBack(count);
}

void ThreadPool::State::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  work_.notify_all();
}

size_t ThreadPool::State::Shutdown(std::chrono::milliseconds grace) {
  Close();
  for (const AttemptPtr& attempt : TakeBack(std::numeric_limits<size_t>::max())) {
    events_->End(attempt, AttemptResult::Released());
  }
  for (const AttemptPtr& attempt : Running()) attempt->RequestStop(StopReason::kShutdown);

  std::unique_lock lock(mutex_);
  const auto each = [this](auto&& holds) {
    return std::all_of(slots_.begin(), slots_.end(), holds);
  };
  changed_.wait_for(lock, grace, [&] { return each([](const Slot& slot) { return slot.over; }); });
  // Only a handler may keep a thread longer than that.
  changed_.wait(lock, [&] {
    return each([](const Slot& slot) { return slot.over || slot.running != nullptr; });
  });
  size_t abandoned = 0;
  std::vector<std::thread> over;
  for (Slot& slot : slots_) {
    if (!slot.thread.joinable()) continue;
    if (slot.over) {
      over.push_back(std::move(slot.thread));
    } else {
      slot.thread.detach();
      ++abandoned;
    }
  }
  lock.unlock();
  for (std::thread& thread : over) thread.join();
  return abandoned;
}

std::vector<AttemptPtr> ThreadPool::State::Running() {
  std::lock_guard lock(mutex_);
  std::vector<AttemptPtr> running;
  for (const Slot& slot : slots_) {
    if (slot.running != nullptr) running.push_back(slot.running);
  }
  return running;
}

ThreadPool::ThreadPool(std::shared_ptr<State> state) : state_(std::move(state)) {}

ThreadPool::~ThreadPool() { Shutdown(std::chrono::milliseconds(0)); }

absl::StatusOr<std::unique_ptr<ThreadPool>> ThreadPool::Start(
    ThreadPoolOptions options, std::shared_ptr<const Handlers> handlers,
    std::shared_ptr<AttemptEvents> events) {
  absl::Status checked = CheckSlots(options.name, options.slots, kThreadsMax, options.waiting_max);
  if (!checked.ok()) return checked;
  auto state = std::make_shared<State>(std::move(options), std::move(handlers), std::move(events));
  std::unique_ptr<ThreadPool> pool(new ThreadPool(state));
  absl::Status started = state->StartThreads();
  if (!started.ok()) return started;
  return pool;
}

std::string_view ThreadPool::name() const { return state_->options().name; }
int ThreadPool::slots() const { return state_->options().slots; }
size_t ThreadPool::Submit(std::span<AttemptPtr> attempts) { return state_->Submit(attempts); }
void ThreadPool::Stop(const AttemptPtr& attempt, StopReason reason) {
  state_->Stop(attempt, reason);
}
std::vector<AttemptPtr> ThreadPool::TakeBack(size_t count) { return state_->TakeBack(count); }
void ThreadPool::Close() { state_->Close(); }
size_t ThreadPool::Shutdown(std::chrono::milliseconds grace) { return state_->Shutdown(grace); }

}  // namespace treadle::worker
