#include "tests/client/fake_broker.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "proto/support/assert.h"
#include "proto/support/limits.h"
#include "proto/support/task_id.h"
#include "proto/wire/settings.h"
#include "proto/wire/status.h"
#include "treadle/v1/queue_service.grpc.pb.h"

namespace treadle {

std::string IdOf(uint64_t session, uint64_t sequence) {
  return TaskId{session, sequence}.ToString();
}

bool FakeStream::ReadMessage() {
  v1::SessionRequest request;
  if (!writer_.Read(&request)) return false;
  answer_may_wait_ = request.answer_may_wait();
  if (request.ByteSizeLong() == 0) return true;  // a heartbeat
  ++messages_;
  largest_message_bytes_ = std::max(largest_message_bytes_, request.ByteSizeLong());
  if (request.has_open()) open_ = request.open();
  runs_ += static_cast<size_t>(request.runs_size());
  std::ranges::move(test::TasksOf(request), std::back_inserter(tasks_));
  awaits_.insert(awaits_.end(), request.await_task_ids().begin(), request.await_task_ids().end());
  cancels_.insert(cancels_.end(), request.cancel_task_ids().begin(),
                  request.cancel_task_ids().end());
  acknowledged_below_ = std::max(acknowledged_below_, request.acknowledged_below());
  return true;
}

namespace {

template <typename Item>
std::vector<Item> TakeFrom(FakeStream& stream, std::deque<Item>& items, size_t count) {
  while (items.size() < count) {
    if (!stream.ReadMessage()) {
      ADD_FAILURE() << "the client's stream ended after " << items.size() << " of " << count;
      count = items.size();
    }
  }
  std::vector<Item> taken(std::make_move_iterator(items.begin()),
                          std::make_move_iterator(items.begin() + static_cast<long>(count)));
  items.erase(items.begin(), items.begin() + static_cast<long>(count));
  return taken;
}

}  // namespace

std::vector<test::SequencedTask> FakeStream::Tasks(size_t count) {
  return TakeFrom(*this, tasks_, count);
}

std::vector<std::string> FakeStream::Awaits(size_t count) {
  return TakeFrom(*this, awaits_, count);
}

std::vector<std::string> FakeStream::Cancels(size_t count) {
  return TakeFrom(*this, cancels_, count);
}

void FakeStream::AwaitAcknowledgedBelow(uint64_t sequence) {
  while (acknowledged_below_ < sequence) {
    if (!ReadMessage()) FAIL() << "the client's stream ended, acknowledged " << acknowledged_below_;
  }
}

bool FakeStream::AwaitWritesDone() {
  while (ReadMessage()) {
  }
  return !context_.IsCancelled();
}

v1::SessionOpen FakeStream::ReadOpen() {
  while (!open_.has_value()) {
    if (!ReadMessage()) {
      ADD_FAILURE() << "the client's stream ended without open";
      return v1::SessionOpen();
    }
  }
  return *open_;
}

v1::SessionOpen FakeStream::Open(uint64_t session_id, bool resumed,
                                 const v1::SessionOpened& bounds) {
  v1::SessionOpen open = ReadOpen();
  v1::SessionResponse response;
  v1::SessionOpened& opened = *response.mutable_opened();
  opened.set_session_id(session_id);
  opened.set_resumed(resumed);
  opened.set_heartbeat_ms(100);
  opened.set_resume_window_ms(60'000);
  opened.set_batch_tasks_max(limits::kBatchTasksMax);
  opened.set_payload_bytes_max(limits::kPayloadBytesMax);
  opened.set_message_bytes_max(limits::kPayloadBytesMax + wire::kMessageOverheadBytes);
  opened.MergeFrom(bounds);
  Write(response);
  return open;
}

void FakeStream::Accept(uint64_t first, uint64_t last, v1::Durability level) {
  v1::SessionResponse response;
  v1::AcceptedRange& range = *response.add_accepted();
  range.set_first_sequence(first);
  range.set_last_sequence(last);
  range.set_durability(level);
  Write(response);
}

void FakeStream::AcceptAs(uint64_t sequence, const std::string& existing_task_id) {
  v1::SessionResponse response;
  v1::ExistingTask& existing = *response.add_existing();
  existing.set_sequence(sequence);
  existing.set_task_id(existing_task_id);
  existing.set_durability(v1::DURABILITY_SYNCED);
  Write(response);
}

void FakeStream::Refuse(uint64_t sequence, const absl::Status& status) {
  v1::SessionResponse response;
  v1::RefusedRange& range = *response.add_refused();
  range.set_first_sequence(sequence);
  range.set_last_sequence(sequence);
  wire::ToItem(status, range.mutable_status());
  Write(response);
}

void FakeStream::Succeed(const std::string& task_id, const std::string& result,
                         const std::string& content_type) {
  v1::SessionResponse response;
  v1::Outcome& outcome = *response.add_outcomes();
  outcome.set_task_id(task_id);
  outcome.set_state(v1::TASK_STATE_SUCCEEDED);
  outcome.set_result(result);
  outcome.set_content_type(content_type);
  outcome.set_attempts(1);
  Write(response);
}

void FakeStream::Fail(const std::string& task_id, const std::string& type,
                      const std::string& message) {
  v1::SessionResponse response;
  v1::Outcome& outcome = *response.add_outcomes();
  outcome.set_task_id(task_id);
  outcome.set_state(v1::TASK_STATE_FAILED);
  outcome.set_attempts(3);
  outcome.mutable_error()->set_type(type);
  outcome.mutable_error()->set_message(message);
  outcome.mutable_error()->set_worker("loom:12");
  outcome.mutable_error()->set_attempt(3);
  Write(response);
}

void FakeStream::Unknown(const std::string& task_id) {
  v1::SessionResponse response;
  v1::UnknownTask& unknown = *response.add_unknown_tasks();
  unknown.set_task_id(task_id);
  wire::ToItem(absl::NotFoundError("task " + task_id + " is not known"), unknown.mutable_status());
  Write(response);
}

void FakeStream::Write(const v1::SessionResponse& response) { writer_.Write(response); }

void FakeStream::WriteGarbage() {
  v1::SessionResponse response;
  response.add_outcomes()->set_task_id("\xff");  // no UTF-8: a client cannot parse it
  Write(response);
}

void FakeStream::End(const grpc::Status& status) {
  std::lock_guard lock(mutex_);
  if (status_.has_value()) return;
  status_ = status;
  ended_.notify_all();
}

grpc::Status FakeStream::WaitUntilEnded() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return status_.has_value(); });
  return *status_;
}

// Parks each call's thread while the test speaks for it.
class FakeBroker::Service final : public v1::TaskService::Service {
 public:
  explicit Service(const FakeBroker& broker) : broker_(broker) {}

  grpc::Status ReadOutput(grpc::ServerContext* context, const v1::ReadOutputRequest* request,
                          v1::ReadOutputResponse* response) override {
    const OutputReader& read = broker_.read_output_;
    if (!read) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no output here");
    return read(*context, *request, *response);
  }
  grpc::Status WatchTask(grpc::ServerContext*, const v1::WatchTaskRequest*,
                         grpc::ServerWriter<v1::WatchTaskResponse>* writer) override {
    writer->Write(broker_.watched_);
    return grpc::Status::OK;
  }
  grpc::Status Session(grpc::ServerContext* context, FakeStream::Writer* writer) override {
    const auto stream = std::make_shared<FakeStream>(*context, *writer);
    {
      std::lock_guard lock(mutex_);
      // Once stopping, no test will take it.
      if (stopping_) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
      waiting_.push_back(stream);
      all_.push_back(stream);
    }
    arrived_.notify_all();
    return stream->WaitUntilEnded();
  }

  std::shared_ptr<FakeStream> Next() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !waiting_.empty(); });
    std::shared_ptr<FakeStream> stream = waiting_.front();
    waiting_.pop_front();
    return stream;
  }

  size_t calls() {
    std::lock_guard lock(mutex_);
    return all_.size();
  }

  void EndAll() {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const std::weak_ptr<FakeStream>& each : all_) {
      if (const auto stream = each.lock()) {
        stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping"));
      }
    }
    waiting_.clear();
  }

 private:
  const FakeBroker& broker_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<FakeStream>> waiting_;
  std::vector<std::weak_ptr<FakeStream>> all_;
  bool stopping_ = false;
};

class FakeBroker::Admin final : public v1::AdminService::Service {
 public:
  explicit Admin(FakeBroker& broker) : broker_(broker) {}

  grpc::Status ListWorkers(grpc::ServerContext* context, const v1::ListWorkersRequest*,
                           v1::ListWorkersResponse*) override {
    const Workers answer = broker_.workers_;
    ++broker_.workers_asked_;
    if (answer == Workers::kNone) return grpc::Status::OK;
    while (answer == Workers::kNeverAnswered && !context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting");
  }
  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse*) override {
    std::lock_guard lock(mutex_);
    return wire::ToGrpc(refusal_);
  }
  void Refuse(const absl::Status& status) {
    std::lock_guard lock(mutex_);
    refusal_ = status;
  }

 private:
  FakeBroker& broker_;
  std::mutex mutex_;
  absl::Status refusal_;
};

class FakeBroker::Queues final : public v1::QueueService::Service {
 public:
  grpc::Status GetQueue(grpc::ServerContext*, const v1::GetQueueRequest*,
                        v1::GetQueueResponse*) override {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such queue");
  }
};

FakeBroker::FakeBroker()
    : admin_(std::make_unique<Admin>(*this)), queues_(std::make_unique<Queues>()) {
  Start();
}

FakeBroker::~FakeBroker() { Stop(); }

std::string FakeBroker::address() const { return "127.0.0.1:" + std::to_string(port_); }

ClientOptions FakeBroker::Options() const {
  ClientOptions options(address());
  options.shutdown_timeout = std::chrono::milliseconds(0);
  return options;
}

void FakeBroker::Start() {
  service_ = std::make_unique<Service>(*this);
  grpc::ServerBuilder builder;
  wire::ApplyServerSettings(builder, limits::kPayloadBytesMax + wire::kMessageOverheadBytes,
                            limits::kCallsPerClientMax);
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterService(service_.get());
  builder.RegisterService(admin_.get());
  builder.RegisterService(queues_.get());
  server_ = builder.BuildAndStart();
  TREADLE_ASSERT(server_ != nullptr);
}

void FakeBroker::Stop() {
  if (server_ == nullptr) return;
  service_->EndAll();
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

std::shared_ptr<FakeStream> FakeBroker::NextStream() {
  std::shared_ptr<FakeStream> parked = service_->Next();
  FakeStream* const stream = parked.get();
  return {stream, [parked](FakeStream* ended) { ended->End(grpc::Status::OK); }};
}

std::pair<std::unique_ptr<Client>, std::shared_ptr<FakeStream>> FakeBroker::Connect(
    ClientOptions options, uint64_t session_id, const v1::SessionOpened& bounds) {
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options);
  TREADLE_ASSERT(client.ok());
  // A first question, about a task that is not there, makes it open the stream.
  const std::string nowhere = IdOf(session_id + 1'000, 1);
  const Future<void> question = (*client)->Attach<void>(nowhere);
  std::shared_ptr<FakeStream> stream = NextStream();
  stream->Open(session_id, false, bounds);
  stream->Awaits(1);
  stream->Unknown(nowhere);
  question.Wait().IgnoreError();
  stream->messages_ = 0;
  return {*std::move(client), std::move(stream)};
}

size_t FakeBroker::streams() const { return service_->calls(); }

void FakeBroker::Refuse(const absl::Status& status) { admin_->Refuse(status); }

std::pair<std::unique_ptr<Client>, std::shared_ptr<FakeStream>> FakeBroker::Connect() {
  return Connect(Options());
}

}  // namespace treadle
