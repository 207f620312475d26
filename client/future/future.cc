#include "treadle/future.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "client/future/future_state.h"

#include "proto/support/assert.h"
#include "treadle/timeout.h"

namespace treadle {
namespace {

// Hands a callback over; deletes itself.
class CallbackListener final : public client::Listener {
 public:
  explicit CallbackListener(absl::AnyInvocable<void()> callback)
      : Listener(Until::kDone), callback_(std::move(callback)) {}
  void OnReached(client::Wakeups& wakeups) override {
    wakeups.callbacks.push_back(std::move(callback_));
    delete this;
  }
  absl::AnyInvocable<void()> TakeCallback() { return std::move(callback_); }

 private:
  absl::AnyInvocable<void()> callback_;
};

// A future that ends when another one does, with what is made of that. It lives in the callback
// that it leaves there, which a client runs at its shutdown at the latest.
class Continuation final : public client::FutureHome,
                           public std::enable_shared_from_this<Continuation> {
 public:
  explicit Continuation(const FutureBase& first)
      : first_(first),
        awaited_(first),
        state_(new client::FutureState(this, first.state()->Questions())) {}

  const client::FutureStateRef& state() const { return state_; }

  // Called once what is awaited is done.
  void Go(absl::AnyInvocable<internal::ThenStep()> step) {
    internal::ThenStep made = step();
    if (!made.next.has_value()) return End(std::move(made));
    Await(*std::move(made.next));
    FutureCallback(awaited_, std::move(made.after));
  }
  void Start(absl::AnyInvocable<internal::ThenStep()> step) {
    FutureCallback(awaited_, std::move(step));
  }

  void RequestCancel(client::FutureStateRef) override {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    awaited_.Cancel();
  }
  void RequestAnswer() override {}  // it is accepted when it is done

 private:
  void Await(FutureBase next) {
    std::lock_guard lock(mutex_);
    awaited_ = std::move(next);
    if (cancelled_) awaited_.Cancel();
  }

  void FutureCallback(const FutureBase& future, absl::AnyInvocable<internal::ThenStep()> step) {
    AnyFuture(future).AddDoneCallback([self = shared_from_this(), step = std::move(step)](
                                          const AnyFuture&) mutable { self->Go(std::move(step)); });
  }

  void End(internal::ThenStep made) {
    client::FutureState& state = *state_.get();
    client::Wakeups wakeups;
    if (first_.state()->IsAccepted()) {
      state.id = first_.state()->id;
      state.durability = first_.state()->durability;
      state.existing = first_.state()->existing;
      state.no_worker = first_.state()->no_worker;
      state.PublishAccepted(wakeups);
    }
    state.status = made.result.status();
    if (made.result.ok()) {
      state.result = std::move(made.result->bytes);
      state.content_type =
          std::make_shared<const std::string>(std::move(made.result->content_type));
    }
    state.stage = client::FutureState::Stage::kEnded;
    state.PublishDone(wakeups);
    wakeups.WakePoints();
    for (absl::AnyInvocable<void()>& callback : wakeups.callbacks) callback();
  }

  const FutureBase first_;
  std::mutex mutex_;
  FutureBase awaited_;      // protected by mutex_; changed by the callbacks' thread alone
  bool cancelled_ = false;  // protected by mutex_
  const client::FutureStateRef state_;
};

// False: `deadline` passed first.
bool WaitFor(client::FutureStateRef state, client::Listener::Until until, Timeout timeout) {
  const auto point = std::make_shared<client::WaitPoint>();
  client::PointListener listener(std::move(state), until, point);
  return !listener.Start() || point->Next(DeadlineAfter(timeout)).has_value();
}

absl::Status TimedOut(std::string_view what, const client::FutureState& state) {
  std::string message(what);
  message += " within the timeout: wait again, or with a longer timeout";
  const std::shared_ptr<client::TaskQuestions>& questions = state.Questions();
  const std::string hung = questions == nullptr ? "" : questions->DiskHungText();
  if (!hung.empty()) message += " (" + hung + ")";
  return absl::DeadlineExceededError(message);
}

const std::string& ContentTypeOf(const client::FutureState& state) {
  static const std::string& none = *new std::string;
  return state.content_type == nullptr ? none : *state.content_type;
}

}  // namespace

void client::FutureStateRef::Retain(client::FutureState* state) { state->Retain(); }

void client::FutureStateRef::Release(client::FutureState* state) { state->Release(); }

client::FutureStateRef client::EndedState(absl::Status status) {
  client::FutureStateRef state(new client::FutureState(nullptr));
  state->status = std::move(status);
  state->stage = client::FutureState::Stage::kEnded;
  client::Wakeups nobody;
  state->PublishDone(nobody);
  return state;
}

bool FutureBase::Done() const { return state_->IsDone(); }

bool FutureBase::Cancelled() const {
  const std::optional<TaskError> error = Error();
  return error.has_value() && error->end == TaskEnd::kCancelled;
}

absl::StatusOr<bool> FutureBase::Running(Timeout timeout) const {
  if (!state_->IsAccepted() && state_->MayAnswerWait() &&
      !WaitFor(state_, client::Listener::Until::kAccepted, timeout)) {
    return TimedOut("the broker has not answered the submit", *state_.get());
  }
  if (Done() || !state_->IsAccepted()) return false;
  const std::shared_ptr<client::TaskQuestions>& questions = state_->Questions();
  return questions == nullptr ? false : questions->IsRunning(Id(), timeout);
}

TaskOutput FutureBase::Follow(const FollowOptions& options) const {
  const std::shared_ptr<client::TaskQuestions>& questions = state_->Questions();
  return TaskOutput(questions == nullptr ? nullptr : questions->NewOutputCalls(), state_, options);
}

std::string FutureBase::Id() const {
  return state_->IsAccepted() ? state_->id.ToString() : std::string();
}

absl::StatusOr<Acceptance> FutureBase::Accepted(Timeout timeout) const {
  if (!state_->IsAccepted() && !state_->IsDone() &&
      !WaitFor(state_, client::Listener::Until::kAccepted, timeout)) {
    return TimedOut("the broker has not answered the submit", *state_.get());
  }
  if (!state_->IsAccepted()) return state_->status;
  Acceptance acceptance;
  acceptance.task_id = state_->id.ToString();
  acceptance.durability = state_->durability;
  acceptance.existing = state_->existing;
  acceptance.no_worker = state_->no_worker;
  return acceptance;
}

bool FutureBase::Cancel() const { return state_->Cancel(); }

absl::Status FutureBase::Wait(Timeout timeout) const {
  if (!state_->IsDone() && !WaitFor(state_, client::Listener::Until::kDone, timeout)) {
    return TimedOut("the task has not ended", *state_.get());
  }
  return state_->status;
}

absl::StatusOr<std::optional<TaskError>> FutureBase::Exception(Timeout timeout) const {
  absl::Status status = Wait(timeout);
  if (status.ok()) return std::optional<TaskError>();
  std::optional<TaskError> error = GetTaskError(status);
  if (!error.has_value() || error->end == TaskEnd::kCancelled) return status;
  return error;
}

std::optional<TaskError> FutureBase::Error() const {
  if (!state_->IsDone()) return std::nullopt;
  return GetTaskError(state_->status);
}

void FutureBase::AddCallback(absl::AnyInvocable<void()> callback) const {
  auto listener = std::make_unique<CallbackListener>(std::move(callback));
  if (state_->Listen(*listener)) {
    listener.release();  // deletes itself when it is told
  } else {
    listener->TakeCallback()();
  }
}

client::FutureStateRef internal::WhenDone(const FutureBase& future,
                                          absl::AnyInvocable<ThenStep()> step) {
  const auto continuation = std::make_shared<Continuation>(future);
  // Before it starts: it may end, and be gone, at once.
  client::FutureStateRef state = continuation->state();
  continuation->Start(std::move(step));
  return state;
}

Payload FutureBase::TakeResult() {
  const client::FutureStateRef state = std::exchange(state_, client::FutureStateRef());
  const std::string& content_type = ContentTypeOf(*state.get());
  if (state->IsAlone()) return Payload(std::move(state->result), content_type);
  return Payload(state->result, content_type);
}

const std::string& FutureBase::result_bytes() const { return state_->result; }

const std::string& FutureBase::result_content_type() const { return ContentTypeOf(*state_.get()); }

}  // namespace treadle
