#include "worker/pool/coroutine/coroutine_pool.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include "proto/support/thread_name.h"
#include "treadle/internal/coroutine_handler.h"
#include "worker/pool/attempt_line.h"
#include "worker/pool/attempt_task.h"
#include "worker/pool/confirmed_starts.h"
#include "worker/pool/coroutine/loop_watch.h"
#include "worker/pool/coroutine/turn_executor.h"
#include "worker/pool/pool_bounds.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;

// Begun in one go, before what has begun already gets on.
constexpr size_t kBeginsAtOnce = 64;

// What it says becomes a result, whatever it throws. Named step by step: see
// treadle/coroutine.h for why.
AttemptResult ResultOf(const std::exception_ptr& thrown, AttemptResult returned) {
  if (!thrown) return returned;
  try {
    std::rethrow_exception(thrown);
  } catch (...) {
    return AttemptResult::FromCurrentException();
  }
}

}  // namespace

class CoroutinePool::State : public std::enable_shared_from_this<CoroutinePool::State> {
 public:
  State(CoroutinePoolOptions options, std::shared_ptr<const Handlers> handlers,
        std::shared_ptr<AttemptEvents> events);

  const CoroutinePoolOptions& options() const { return options_; }

  void Start();
  size_t Submit(std::span<AttemptPtr> attempts);
  void Stop(const AttemptPtr& attempt, StopReason reason);
  std::vector<AttemptPtr> TakeBack(size_t count);
  void Close();
  size_t Shutdown(milliseconds grace);

 private:
  // An attempt that runs.
  struct Run {
    Run(AttemptPtr attempt_in, AttemptEvents& events, ClientSlot& client)
        : attempt(std::move(attempt_in)),
          context(*attempt, events, client),
          task(new AttemptTask(*attempt, client),
               [kept = attempt](const AttemptTask* done) { delete done; }) {}

    const AttemptPtr attempt;
    TaskContext context;
    // What the handler has left on the loop may still have turns afterwards.
    const std::shared_ptr<AttemptTask> task;
    asio::cancellation_signal cancel;
    std::shared_ptr<WatchedRun> watched;
  };

  // All on the loop's thread.
  void Work();
  void BeginWaiting();
  std::vector<AttemptPtr> TakeForBegin();
  void Begin(AttemptPtr attempt);
  void Spawn(Run& run, std::shared_ptr<const CoroutineHandler> handler);
  void Finish(const AttemptPtr& attempt, AttemptResult result);
  void End(const AttemptPtr& attempt, AttemptResult result);
  void Cancel(const Attempt& attempt);
  void EndWhenDone();

  void PostBeginWaiting();

  const CoroutinePoolOptions options_;
  const std::shared_ptr<const Handlers> handlers_;
  const std::shared_ptr<AttemptEvents> events_;
  const std::shared_ptr<LoopWatch> watch_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // All below: GUARDED_BY(mutex_).
  AttemptLine waiting_;
  int64_t running_ = 0;
  bool begin_posted_ = false;
  bool closed_ = false;
  bool shut_down_ = false;
  bool over_ = false;  // the thread touches nothing of ours any more

  // All below: the loop's thread's own.
  absl::flat_hash_map<const Attempt*, std::unique_ptr<Run>> runs_;

  // Coroutines that are left when the loop ends go with it, before what they use.
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> open_{loop_.get_executor()};
  ConfirmedStarts confirmed_starts_;
  std::thread thread_;
};

CoroutinePool::State::State(CoroutinePoolOptions options, std::shared_ptr<const Handlers> handlers,
                            std::shared_ptr<AttemptEvents> events)
    : options_(std::move(options)),
      handlers_(std::move(handlers)),
      events_(std::move(events)),
      watch_(std::make_shared<LoopWatch>(options_.name, options_.blocked_after, events_)),
      confirmed_starts_(events_, [this](const AttemptPtr& attempt, bool begun) {
        asio::post(loop_, [this, attempt, begun] {
          if (begun) {
            Begin(attempt);
          } else {
            End(attempt, AttemptResult::Stopped());
          }
        });
      }) {}

void CoroutinePool::State::Start() {
  thread_ = std::thread([state = shared_from_this()] { state->Work(); });
}

void CoroutinePool::State::Work() {
  NameThread(options_.name);
  loop_.run();
  std::lock_guard lock(mutex_);
  over_ = true;
  changed_.notify_all();
}

size_t CoroutinePool::State::Submit(std::span<AttemptPtr> attempts) {
  std::lock_guard lock(mutex_);
  if (closed_) return 0;
  const int64_t room =
      options_.slots + options_.waiting_max - running_ - static_cast<int64_t>(waiting_.size());
  const size_t taken = std::min(attempts.size(), static_cast<size_t>(std::max<int64_t>(room, 0)));
  for (AttemptPtr& attempt : attempts.first(taken)) waiting_.PushBack(std::move(attempt));
  if (taken > 0) PostBeginWaiting();
  return taken;
}

// REQUIRES: mutex_ is held.
void CoroutinePool::State::PostBeginWaiting() {
  if (running_ >= options_.slots || std::exchange(begin_posted_, true)) return;
  asio::post(loop_, [this] { BeginWaiting(); });
}

std::vector<AttemptPtr> CoroutinePool::State::TakeForBegin() {
  std::vector<AttemptPtr> taken;
  std::lock_guard lock(mutex_);
  begin_posted_ = false;
  if (running_ == 0 && !waiting_.empty()) watch_->Busy(true);
  while (running_ < options_.slots && !waiting_.empty() && taken.size() < kBeginsAtOnce) {
    taken.push_back(waiting_.PopFront());
    ++running_;
  }
  if (!waiting_.empty()) PostBeginWaiting();
  return taken;
}

void CoroutinePool::State::BeginWaiting() {
  for (AttemptPtr& attempt : TakeForBegin()) {
    if (attempt->info().confirm_start) {
      confirmed_starts_.Begin(std::move(attempt));
    } else if (events_->Begin(attempt)) {
      Begin(std::move(attempt));
    } else {
      End(attempt, AttemptResult::Stopped());
    }
  }
}

void CoroutinePool::State::Begin(AttemptPtr attempt) {
  const std::string& type = attempt->info().type;
  std::shared_ptr<const CoroutineHandler> handler = handlers_->FindCoroutine(type);
  if (handler == nullptr) {
    static const std::string kUnknown = "unknown";
    const std::string* const name = handlers_->NameOf(type);
    const LoopWatch::Turn before = watch_->Enter(name == nullptr ? &kUnknown : name);
    AttemptResult result = RunHandler(*handlers_, *attempt, *events_);
    watch_->Leave(before);
    End(attempt, std::move(result));
    return;
  }
  const Attempt* const key = attempt.get();
  auto run = std::make_unique<Run>(std::move(attempt), *events_, handlers_->client());
  run->watched = std::make_shared<WatchedRun>(watch_, handlers_->NameOf(type),
                                              handlers_->MeterOf(type), run->task);
  Run& begun = *run;
  runs_.emplace(key, std::move(run));
  Spawn(begun, std::move(handler));
  if (key->stop_reason() != StopReason::kNone) Cancel(*key);
}

void CoroutinePool::State::Spawn(Run& run, std::shared_ptr<const CoroutineHandler> handler) {
  const TurnExecutor<asio::io_context::executor_type> executor(loop_.get_executor(), run.watched);
  auto done = [this, attempt = run.attempt](std::exception_ptr thrown, AttemptResult returned) {
    Finish(attempt, ResultOf(thrown, std::move(returned)));
  };
  asio::awaitable<AttemptResult> coroutine = handler->call(run.context, run.attempt->TakePayload());
  asio::co_spawn(executor, std::move(coroutine),
                 asio::bind_cancellation_slot(run.cancel.slot(), std::move(done)));
}

// In a turn of the run itself, whose last it is.
void CoroutinePool::State::Finish(const AttemptPtr& attempt, AttemptResult result) {
  asio::post(loop_, [this, attempt, result = std::move(result)]() mutable {
    const auto it = runs_.find(attempt.get());
    it->second->watched->Finish();
    it->second->task->End();
    runs_.erase(it);
    End(attempt, AfterStop(*attempt, std::move(result)));
  });
}

void CoroutinePool::State::End(const AttemptPtr& attempt, AttemptResult result) {
  {
    // The slot is free before the end is told: whoever hears of it may submit the next at once.
    std::lock_guard lock(mutex_);
    --running_;
    if (!waiting_.empty()) PostBeginWaiting();
    if (running_ == 0) watch_->Busy(false);
  }
  events_->End(attempt, std::move(result));
  EndWhenDone();
}

void CoroutinePool::State::Cancel(const Attempt& attempt) {
  const auto it = runs_.find(&attempt);
  if (it != runs_.end()) it->second->cancel.emit(asio::cancellation_type::all);
}

void CoroutinePool::State::EndWhenDone() {
  std::lock_guard lock(mutex_);
  if (closed_ && running_ == 0 && waiting_.empty()) loop_.stop();
}

void CoroutinePool::State::Stop(const AttemptPtr& attempt, StopReason reason) {
  bool waited;
  {
    std::lock_guard lock(mutex_);
    waited = waiting_.Remove(*attempt);
  }
  attempt->RequestStop(reason);
  if (waited) {
    events_->End(attempt, AttemptResult::Stopped());
    asio::post(loop_, [this] { EndWhenDone(); });
  } else {
    asio::post(loop_, [this, attempt] { Cancel(*attempt); });
  }
}

std::vector<AttemptPtr> CoroutinePool::State::TakeBack(size_t count) {
  std::lock_guard lock(mutex_);
  return waiting_.TakeBack(count);
}

void CoroutinePool::State::Close() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  asio::post(loop_, [this] { EndWhenDone(); });
}

size_t CoroutinePool::State::Shutdown(milliseconds grace) {
  Close();
  for (const AttemptPtr& attempt : TakeBack(std::numeric_limits<size_t>::max())) {
    events_->End(attempt, AttemptResult::Released());
  }
  std::unique_lock lock(mutex_);
  if (std::exchange(shut_down_, true) || !thread_.joinable()) return 0;
  asio::post(loop_, [this] {
    for (const auto& [attempt, run] : runs_) {
      run->attempt->RequestStop(StopReason::kShutdown);
      run->cancel.emit(asio::cancellation_type::all);
    }
    EndWhenDone();
  });
  changed_.wait_for(lock, grace, [this] { return over_; });
  // Only a handler may keep the thread longer than that.
  changed_.wait(lock, [this] { return over_ || running_ > 0; });
  const auto abandoned = over_ ? size_t{0} : static_cast<size_t>(running_);
  if (!over_) thread_.detach();
  lock.unlock();
  if (thread_.joinable()) thread_.join();
  return abandoned;
}

CoroutinePool::CoroutinePool(std::shared_ptr<State> state) : state_(std::move(state)) {}

CoroutinePool::~CoroutinePool() { Shutdown(milliseconds(0)); }

absl::StatusOr<std::unique_ptr<CoroutinePool>> CoroutinePool::Start(
    CoroutinePoolOptions options, std::shared_ptr<const Handlers> handlers,
    std::shared_ptr<AttemptEvents> events) {
  absl::Status checked =
      CheckSlots(options.name, options.slots, kCoroutinesMax, options.waiting_max);
  if (!checked.ok()) return checked;
  try {
    auto state =
        std::make_shared<State>(std::move(options), std::move(handlers), std::move(events));
    state->Start();
    return std::unique_ptr<CoroutinePool>(new CoroutinePool(std::move(state)));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a thread for coroutines cannot be started: ", error.what()));
  }
}

std::string_view CoroutinePool::name() const { return state_->options().name; }
int CoroutinePool::slots() const { return state_->options().slots; }
size_t CoroutinePool::Submit(std::span<AttemptPtr> attempts) { return state_->Submit(attempts); }
void CoroutinePool::Stop(const AttemptPtr& attempt, StopReason reason) {
  state_->Stop(attempt, reason);
}
std::vector<AttemptPtr> CoroutinePool::TakeBack(size_t count) { return state_->TakeBack(count); }
void CoroutinePool::Close() { state_->Close(); }
size_t CoroutinePool::Shutdown(milliseconds grace) { return state_->Shutdown(grace); }

}  // namespace treadle::worker
