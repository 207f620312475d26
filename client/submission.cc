#include "treadle/internal/submission.h"

#include <cstdint>
#include <utility>

#include "client/child.h"
#include "client/executor_task.h"
#include "client/session/session.h"

#include "proto/support/assert.h"

namespace treadle::internal {

struct Submission::State {
  explicit State(const Executor& executor) : client(executor.client()) {}

  int64_t bytes() const { return task->encoded.bytes(); }

  Client& client;
  client::Session* session = nullptr;
  absl::StatusOr<Executor::Task> task;
  uint64_t place = 0;  // in line for room, or the room itself; 0: neither
};

Submission::Submission(const Executor& executor, const SubmitOptions* own, std::string_view type,
                       absl::StatusOr<Payload> payload)
    : state_(std::make_unique<State>(executor)) {
  state_->session = &state_->client.session();
  state_->task = executor.Prepare(own, type, std::move(payload), /*post=*/false);
}

Submission::~Submission() {
  if (state_->place != 0) state_->session->GiveBackRoom(state_->place, state_->bytes());
}

void Submission::WhenRoom(absl::AnyInvocable<void()> then) {
  TREADLE_ASSERT(state_->place == 0);
  if (!state_->task.ok()) return then();
  state_->place = state_->session->AwaitRoom(state_->bytes(), std::move(then));
}

Timeout Submission::patience() const { return state_->client.options().window_wait; }

client::FutureStateRef Submission::Send() {
  if (!state_->task.ok()) return client::EndedState(state_->task.status());
  TREADLE_ASSERT(state_->place != 0);
  state_->place = 0;
  client::FutureStateRef task =
      state_->session->SubmitInRoom(std::move(state_->task->encoded), state_->task->traits);
  client::CancelWith(state_->task->siblings, task);
  return task;
}

client::FutureStateRef Submission::NoRoom() {
  return client::EndedState(state_->session->WindowFull());
}

}  // namespace treadle::internal
