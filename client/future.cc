#include "client/future.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "client/future_state.h"
#include "client/wait.h"
#include <grpcpp/grpcpp.h>

#include "proto/support/assert.h"
#include "proto/wire/status.h"
#include "treadle/v1/task_service.grpc.pb.h"

namespace treadle {
namespace {

// Wakes a WaitPoint.
class PointListener final : public Listener {
 public:
  PointListener(Until until, std::shared_ptr<WaitPoint> point)
      : Listener(until), point_(std::move(point)) {}
  void OnReached(Wakeups& wakeups) override {
    if (point_->Arrive(0)) wakeups.points.push_back(point_);
  }

 private:
  std::shared_ptr<WaitPoint> point_;
};

// Hands a callback over; deletes itself.
class CallbackListener final : public Listener {
 public:
  explicit CallbackListener(absl::AnyInvocable<void()> callback)
      : Listener(Until::kDone), callback_(std::move(callback)) {}
  void OnReached(Wakeups& wakeups) override {
    wakeups.callbacks.push_back(std::move(callback_));
    delete this;
  }
  absl::AnyInvocable<void()> TakeCallback() { return std::move(callback_); }

 private:
  absl::AnyInvocable<void()> callback_;
};

// False: `deadline` passed first.
bool WaitFor(FutureState& state, Listener::Until until, Timeout timeout) {
  const auto point = std::make_shared<WaitPoint>();
  PointListener listener(until, point);
  if (!state.Listen(listener)) return true;
  if (point->Next(DeadlineAfter(timeout)).has_value()) return true;
  state.Unlisten(listener);
  return false;
}

absl::Status TimedOut(std::string_view what) {
  return absl::DeadlineExceededError(std::string(what) +
                                     " within the timeout: wait again, or with a longer timeout");
}

}  // namespace

void FutureStateRef::Retain(FutureState* state) { state->Retain(); }

void FutureStateRef::Release(FutureState* state) { state->Release(); }

FutureStateRef EndedState(absl::Status status) {
  FutureStateRef state(new FutureState(nullptr));
  state->status = std::move(status);
  state->stage = FutureState::Stage::kEnded;
  Wakeups nobody;
  state->PublishDone(nobody);
  return state;
}

bool FutureBase::Done() const { return state_->IsDone(); }

bool FutureBase::Cancelled() const {
  const std::optional<TaskError> error = Error();
  return error.has_value() && error->state == v1::TASK_STATE_CANCELLED;
}

absl::StatusOr<bool> FutureBase::Running(Timeout timeout) const {
  if (Done() || !state_->IsAccepted()) return false;
  const std::shared_ptr<grpc::Channel> channel = state_->BrokerChannel();
  if (channel == nullptr) return false;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::min<Timeout>(timeout, std::chrono::hours(1)));
  v1::GetTaskRequest request;
  request.set_task_id(Id());
  v1::GetTaskResponse response;
  const absl::Status status =
      wire::FromGrpc(v1::TaskService::NewStub(channel)->GetTask(&context, request, &response));
  // Its outcome is not kept any more, so it has ended.
  if (absl::IsNotFound(status)) return false;
  if (!status.ok()) return status;
  return response.task().state() == v1::TASK_STATE_RUNNING;
}

std::string FutureBase::Id() const {
  return state_->IsAccepted() ? state_->id.ToString() : std::string();
}

absl::StatusOr<Acceptance> FutureBase::Accepted(Timeout timeout) const {
  if (!state_->IsAccepted() && !state_->IsDone() &&
      !WaitFor(*state_.get(), Listener::Until::kAccepted, timeout)) {
    return TimedOut("the broker has not answered the submit");
  }
  if (!state_->IsAccepted()) return state_->status;
  Acceptance acceptance;
  acceptance.task_id = state_->id.ToString();
  acceptance.durability = state_->durability;
  acceptance.existing = state_->existing;
  return acceptance;
}

bool FutureBase::Cancel() const { return state_->Cancel(); }

absl::Status FutureBase::Wait(Timeout timeout) const {
  if (!state_->IsDone() && !WaitFor(*state_.get(), Listener::Until::kDone, timeout)) {
    return TimedOut("the task has not ended");
  }
  return state_->status;
}

absl::StatusOr<std::optional<TaskError>> FutureBase::Exception(Timeout timeout) const {
  absl::Status status = Wait(timeout);
  if (status.ok()) return std::optional<TaskError>();
  std::optional<TaskError> error = GetTaskError(status);
  if (!error.has_value() || error->state == v1::TASK_STATE_CANCELLED) return status;
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

const std::string& FutureBase::result_bytes() const { return state_->result; }

const std::string& FutureBase::result_content_type() const { return state_->content_type; }

}  // namespace treadle
