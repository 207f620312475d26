#include "client/session/channel_questions.h"

#include <utility>

#include "client/session/watched_call.h"

#include "proto/wire/disk_hung.h"
#include "proto/wire/status.h"

namespace treadle::client {

// Has a Watches of its own, which its Stop ends, or the client's Shutdown.
class ChannelQuestions::Calls final : public OutputCalls {
 public:
  explicit Calls(std::shared_ptr<ChannelQuestions> questions) : questions_(std::move(questions)) {
    std::lock_guard lock(questions_->mutex_);
    if (questions_->stub_ == nullptr) calls_.CancelAll();
    questions_->readers_.insert(&calls_);
  }
  ~Calls() override {
    std::lock_guard lock(questions_->mutex_);
    questions_->readers_.erase(&calls_);
  }

  absl::StatusOr<v1::ReadOutputResponse> Read(const v1::ReadOutputRequest& request,
                                              Timeout timeout) override {
    const Stub stub = questions_->stub();
    if (stub == nullptr) return ShutDownStatus();
    absl::StatusOr<v1::ReadOutputResponse> response =
        WatchedCall(calls_, timeout, *stub, &v1::TaskService::Stub::ReadOutput, request);
    if (absl::IsCancelled(response.status()) && calls_.ended()) return Ended();
    return response;
  }
  absl::Status PauseUntil(std::chrono::steady_clock::time_point time) override {
    return calls_.SleepUntil(time) ? absl::OkStatus() : Ended();
  }
  void Stop() override { calls_.CancelAll(); }

  std::chrono::milliseconds call_timeout() const override { return questions_->call_timeout_; }
  std::chrono::milliseconds give_up_after() const override { return questions_->give_up_after_; }

 private:
  absl::Status Ended() const {
    if (questions_->stub() == nullptr) return ShutDownStatus();
    return absl::CancelledError("reading the task's output was stopped");
  }

  const std::shared_ptr<ChannelQuestions> questions_;
  Watches calls_;
};

ChannelQuestions::ChannelQuestions(const ClientOptions& options,
                                   const std::shared_ptr<grpc::Channel>& channel)
    : call_timeout_(options.call_timeout),
      give_up_after_(options.give_up_after),
      stub_(v1::TaskService::NewStub(channel)) {}

absl::StatusOr<bool> ChannelQuestions::IsRunning(const std::string& task_id, Timeout timeout) {
  const Stub stub = this->stub();
  if (stub == nullptr) return ShutDownStatus();
  grpc::ClientContext context;
  context.set_deadline(CallDeadline(timeout));
  v1::GetTaskRequest request;
  request.set_task_id(task_id);
  v1::GetTaskResponse response;
  const absl::Status status = wire::FromGrpc(stub->GetTask(&context, request, &response));
  // Its outcome is not kept any more, so it has ended.
  if (absl::IsNotFound(status)) return false;
  if (!status.ok()) return status;
  return response.task().state() == v1::TASK_STATE_RUNNING;
}

std::unique_ptr<OutputCalls> ChannelQuestions::NewOutputCalls() {
  return std::make_unique<Calls>(shared_from_this());
}

void ChannelQuestions::SetDiskHung(std::optional<TimePoint> since) {
  disk_hung_since_ = since.value_or(kAnswers);
}

std::string ChannelQuestions::DiskHungText() const {
  const TimePoint since = disk_hung_since_;
  if (since == kAnswers) return "";
  const auto hung = std::chrono::steady_clock::now() - since;
  return wire::DiskHungText(std::chrono::duration_cast<std::chrono::milliseconds>(hung).count());
}

void ChannelQuestions::Shutdown() {
  std::lock_guard lock(mutex_);
  stub_ = nullptr;
  for (Watches* reader : readers_) reader->CancelAll();
}

ChannelQuestions::Stub ChannelQuestions::stub() const {
  std::lock_guard lock(mutex_);
  return stub_;
}

}  // namespace treadle::client
