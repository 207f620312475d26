#include "client/session/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "treadle/timeout.h"

// What users' threads do: they leave work for the session's thread, which is in session_thread.cc.

namespace treadle::client {
namespace {

// Of what was not sent and never will be.
absl::Status NeverSentStatus() {
  return absl::UnavailableError("the client was shut down: connect a new one");
}

}  // namespace

Session::Session(const ClientOptions& options, std::shared_ptr<grpc::Channel> channel)
    : options_(options),
      channel_(std::move(channel)),
      questions_(std::make_shared<ChannelQuestions>(options_, channel_)) {
  callbacks_.emplace();
  thread_ = std::thread([this] { Run(); });
}

Session::~Session() { Shutdown(); }

FutureStateRef Session::Submit(EncodedTask task, SubmitTraits traits) {
  const int64_t bytes = task.bytes();
  FutureStateRef state = NewState(std::move(task), traits);
  std::unique_lock lock(mutex_);
  if (!WaitForRoom(lock, bytes)) return EndedState(WindowFullLocked());
  state = Enter(std::move(state), bytes);
  WakeForSubmits(std::move(lock));
  return state;
}

std::vector<FutureStateRef> Session::SubmitAll(
    std::vector<std::pair<EncodedTask, SubmitTraits>> tasks) {
  std::vector<FutureStateRef> states = FutureState::Make(tasks.size(), this, questions_);
  const TimePoint since = Since();
  for (size_t i = 0; i < tasks.size(); ++i) {
    FutureState& state = *states[i].get();
    state.task = std::move(tasks[i].first);
    state.traits = tasks[i].second;
    state.since = since;
  }
  std::unique_lock lock(mutex_);
  for (FutureStateRef& state : states) {
    const int64_t bytes = state->task.bytes();
    state =
        WaitForRoom(lock, bytes) ? Enter(std::move(state), bytes) : EndedState(WindowFullLocked());
  }
  WakeForSubmits(std::move(lock));
  return states;
}

FutureStateRef Session::SubmitInRoom(EncodedTask task, SubmitTraits traits) {
  const int64_t bytes = task.bytes();
  FutureStateRef state = NewState(std::move(task), traits);
  std::unique_lock lock(mutex_);
  --reserved_tasks_;
  reserved_bytes_ -= bytes;
  state = Enter(std::move(state), bytes);
  WakeForSubmits(std::move(lock));
  return state;
}

FutureStateRef Session::NewState(EncodedTask task, SubmitTraits traits) {
  FutureStateRef state(new FutureState(this, questions_));
  state->task = std::move(task);
  state->traits = traits;
  state->since = Since();
  return state;
}

FutureStateRef Session::Enter(FutureStateRef state, int64_t bytes) {
  if (closed_) return EndedState(NeverSentStatus());
  ++submitted_;
  ++window_tasks_;
  window_bytes_ += bytes;
  inbox_.submits.push_back(state);
  return state;
}

void Session::WakeForSubmits(std::unique_lock<std::mutex> lock) {
  const bool wake = !inbox_.submits.empty() && std::exchange(wants_submits_, false);
  lock.unlock();
  if (wake) queue_.Wake();
}

Session::TimePoint Session::Since() const {
  return MayGiveUp() ? std::chrono::steady_clock::now() : TimePoint();
}

bool Session::HasRoom(int64_t bytes) const {
  const int64_t tasks = window_tasks_ + reserved_tasks_;
  if (tasks == 0 || closed_) return true;
  return tasks < options_.window_tasks &&
         window_bytes_ + reserved_bytes_ + bytes <= options_.window_bytes;
}

bool Session::WaitForRoom(std::unique_lock<std::mutex>& lock, int64_t bytes) {
  // Those in line were here first.
  const auto may_enter = [&] { return (line_.empty() || closed_) && HasRoom(bytes); };
  if (may_enter()) return true;
  if (options_.window_wait <= kNoWait) return false;
  // What came before makes room once it is sent and answered.
  WantAnswers();
  const TimePoint deadline = DeadlineAfter(options_.window_wait);
  ++waiters_;
  bool room = true;
  if (deadline == TimePoint::max()) {
    progress_.wait(lock, may_enter);
  } else {
    room = progress_.wait_until(lock, deadline, may_enter);
  }
  --waiters_;
  return room;
}

uint64_t Session::AwaitRoom(int64_t bytes, absl::AnyInvocable<void()> then) {
  std::unique_lock lock(mutex_);
  const uint64_t name = ++last_room_;
  line_.push_back({name, bytes, std::move(then)});
  if (line_.size() > 1) return name;
  std::vector<absl::AnyInvocable<void()>> served = ServeLine();
  if (!line_.empty()) WantAnswers();
  lock.unlock();
  for (absl::AnyInvocable<void()>& callback : served) callback();
  return name;
}

void Session::GiveBackRoom(uint64_t name, int64_t bytes) {
  absl::AnyInvocable<void()> unheard;  // goes when the lock is free
  std::lock_guard lock(mutex_);
  const auto place =
      std::find_if(line_.begin(), line_.end(), [&](const InLine& one) { return one.name == name; });
  if (place != line_.end()) {
    unheard = std::move(place->then);
    line_.erase(place);
  } else {
    --reserved_tasks_;
    reserved_bytes_ -= bytes;
  }
  if (closed_) return;  // the line was served, and there is no callbacks' thread
  callbacks_->Post(ServeLine());
  if (waiters_ > 0) progress_.notify_all();
}

std::vector<absl::AnyInvocable<void()>> Session::ServeLine() {
  std::vector<absl::AnyInvocable<void()>> served;
  while (!line_.empty() && HasRoom(line_.front().bytes)) {
    ++reserved_tasks_;
    reserved_bytes_ += line_.front().bytes;
    served.push_back(std::move(line_.front().then));
    line_.pop_front();
  }
  return served;
}

absl::Status Session::WindowFull() {
  std::lock_guard lock(mutex_);
  return WindowFullLocked();
}

absl::Status Session::WindowFullLocked() const {
  return absl::ResourceExhaustedError(
      absl::StrCat("this client's window is full (", window_tasks_ + reserved_tasks_, " of ",
                   options_.window_tasks, " tasks, ", window_bytes_ + reserved_bytes_, " of ",
                   options_.window_bytes,
                   " bytes wait for the broker's answer): wait for some, or raise window_tasks or "
                   "window_bytes"));
}

FutureStateRef Session::Attach(TaskId id) {
  FutureStateRef state(new FutureState(this, questions_));
  state->id = id;
  state->existing = true;
  state->since = Since();
  Wakeups nobody;
  state->PublishAccepted(nobody);
  std::lock_guard lock(mutex_);
  if (closed_) return EndedState(NeverSentStatus());
  inbox_.attaches.push_back(state);
  queue_.Wake();
  return state;
}

void Session::RequestCancel(FutureStateRef state) {
  std::lock_guard lock(mutex_);
  inbox_.cancels.push_back(std::move(state));
  queue_.Wake();
}

void Session::RequestAnswer() {
  std::lock_guard lock(mutex_);
  WantAnswers();
}

void Session::WantAnswers() {
  if (!std::exchange(inbox_.answers_wanted, true)) queue_.Wake();
}

std::vector<FutureStateRef> Session::PendingOf(uint32_t group) {
  GroupQuestion question;
  question.group = group;
  question.list = true;
  Ask(question);
  return std::move(question.pending);
}

bool Session::HasPending(uint32_t group) {
  GroupQuestion question;
  question.group = group;
  Ask(question);
  return question.any;
}

void Session::Ask(GroupQuestion& question) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  inbox_.questions.push_back(&question);
  queue_.Wake();
  ++waiters_;
  progress_.wait(lock, [&] { return question.answered; });
  --waiters_;
}

void Session::GiveUp(uint32_t group, absl::Status reason) {
  std::lock_guard lock(mutex_);
  inbox_.given_up.emplace_back(group, std::move(reason));
  queue_.Wake();
}

absl::Status Session::Flush(Timeout timeout) {
  const TimePoint deadline = DeadlineAfter(timeout);
  std::unique_lock lock(mutex_);
  ++waiters_;
  bool answered = true;
  const auto all_answered = [this] {
    return window_tasks_ == 0 && inbox_.cancels.empty() && !cancels_left_;
  };
  const auto over = [&] { return all_answered() || ended_; };
  WantAnswers();
  if (deadline == TimePoint::max()) {
    progress_.wait(lock, over);
  } else {
    answered = progress_.wait_until(lock, deadline, over);
  }
  --waiters_;
  if (all_answered()) return absl::OkStatus();
  if (answered) {
    return absl::UnavailableError(
        "the client was shut down before some cancels were sent: connect a new one, and cancel "
        "their tasks by their ids");
  }
  const std::string hung = questions_->DiskHungText();
  return absl::DeadlineExceededError(absl::StrCat(
      window_tasks_, " submits are not answered, ", cancels_left_ ? "and some" : "and no",
      " cancels not sent, within the timeout: flush again, or with a longer timeout",
      hung.empty() ? "" : " (", hung, hung.empty() ? "" : ")"));
}

ClientStats Session::Stats() {
  std::lock_guard lock(mutex_);
  ClientStats stats = told_;
  stats.submitted = submitted_;
  stats.pending += static_cast<int64_t>(inbox_.submits.size() + inbox_.attaches.size());
  stats.window_tasks = window_tasks_;
  stats.window_bytes = window_bytes_;
  return stats;
}

void Session::Shutdown() {
  std::lock_guard one_at_a_time(shutdown_mutex_);
  if (!thread_.joinable()) return;
  questions_->Shutdown();
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    progress_.notify_all();
    callbacks_->Post(ServeLine());
  }
  Flush(options_.shutdown_timeout).IgnoreError();
  {
    std::lock_guard lock(mutex_);
    inbox_.stop = true;
    queue_.Wake();
  }
  thread_.join();
  callbacks_.reset();
}

bool Session::Inbox::IsUrgent() const {
  return !cancels.empty() || !attaches.empty() || !questions.empty() || !given_up.empty() ||
         answers_wanted || stop;
}

}  // namespace treadle::client
