#include "tests/worker/fake_broker.h"

#include <utility>

#include "proto/support/assert.h"
#include "proto/support/task_id.h"

namespace treadle::worker {
namespace {

constexpr std::chrono::seconds kGenerous{60};
constexpr std::chrono::milliseconds kHeartbeat{200};

using ServerStream = grpc::ServerReaderWriter<v1::AttachResponse, v1::AttachRequest>;

}  // namespace

struct FakeBroker::Stream {
  grpc::ServerContext* context = nullptr;
  ServerStream* wire = nullptr;
  std::mutex writing;     // one write at a time; nothing is written once over
  bool over = false;      // GUARDED_BY(writing)
  bool welcomed = false;  // gets heartbeats
  bool closed_cleanly = false;
  int credit = 0;
};

class FakeBroker::Service final : public v1::WorkerService::Service {
 public:
  explicit Service(FakeBroker& broker) : broker_(broker) {}

  grpc::Status Attach(grpc::ServerContext* context, ServerStream* wire) override {
    const auto stream = std::make_shared<Stream>();
    stream->context = context;
    stream->wire = wire;
    int number;
    {
      std::lock_guard lock(broker_.mutex_);
      if (!broker_.refusal_.ok()) return broker_.refusal_;
      broker_.streams_.push_back(stream);
      number = static_cast<int>(broker_.streams_.size());
      broker_.changed_.notify_all();
    }
    v1::AttachRequest request;
    while (wire->Read(&request)) Handle(*stream, number, request);
    std::lock_guard writing(stream->writing);
    stream->over = true;
    std::lock_guard lock(broker_.mutex_);
    stream->closed_cleanly = !context->IsCancelled();
    broker_.changed_.notify_all();
    return grpc::Status::OK;
  }

 private:
  void Handle(Stream& stream, int number, const v1::AttachRequest& request) {
    v1::AttachResponse response;
    bool answer = false;
    {
      std::lock_guard lock(broker_.mutex_);
      for (const v1::Credit& credit : request.credits()) stream.credit += credit.tasks();
      if (request.has_hello() && !broker_.welcome_nobody_) {
        *response.mutable_welcome() = broker_.welcome_;
        for (const uint64_t token : request.hello().held_tokens()) {
          if (broker_.revoked_.contains(token)) {
            response.mutable_welcome()->add_revoked_tokens(token);
          }
        }
        answer = true;
      }
      if (request.report_sequence() != 0 && broker_.acknowledge_) {
        response.set_handled_report_sequence(request.report_sequence());
        answer = true;
      }
      broker_.messages_.push_back(Message{number, request});
    }
    if (answer) broker_.Write(stream, response);
    std::lock_guard lock(broker_.mutex_);
    if (response.has_welcome()) stream.welcomed = true;
    broker_.changed_.notify_all();
  }

  FakeBroker& broker_;
};

FakeBroker::FakeBroker() : service_(std::make_unique<Service>(*this)) {
  welcome_.set_lease_ms(15'000);
  welcome_.set_heartbeat_ms(kHeartbeat.count());
  welcome_.set_payload_bytes_max(4 << 20);
  welcome_.set_message_bytes_max(8 << 20);
  Start();
  heart_ = std::thread([this] { Beat(); });
}

FakeBroker::~FakeBroker() {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  heart_.join();
  if (server_ != nullptr) Stop();
}

void FakeBroker::Start() {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address_.empty() ? "127.0.0.1:0" : address_,
                           grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  TREADLE_ASSERT(server_ != nullptr);
  address_ = "127.0.0.1:" + std::to_string(port);
}

void FakeBroker::Stop() {
  Cut();
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void FakeBroker::Beat() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    changed_.wait_for(lock, kHeartbeat);
    std::vector<std::shared_ptr<Stream>> welcomed;
    for (const auto& stream : streams_) {
      if (stream->welcomed) welcomed.push_back(stream);
    }
    lock.unlock();
    for (const auto& stream : welcomed) Write(*stream, v1::AttachResponse());
    lock.lock();
  }
}

bool FakeBroker::Write(Stream& stream, const v1::AttachResponse& response) {
  std::lock_guard writing(stream.writing);
  return !stream.over && stream.wire->Write(response);
}

void FakeBroker::Welcome(const v1::Welcome& welcome) {
  std::lock_guard lock(mutex_);
  welcome_.MergeFrom(welcome);
  welcome_nobody_ = false;
}

void FakeBroker::WelcomeNobody() {
  std::lock_guard lock(mutex_);
  welcome_nobody_ = true;
}

void FakeBroker::Revoke(std::set<uint64_t> tokens) {
  std::lock_guard lock(mutex_);
  revoked_ = std::move(tokens);
}

void FakeBroker::RefuseAttach(const grpc::Status& status) {
  std::lock_guard lock(mutex_);
  refusal_ = status;
}

void FakeBroker::Acknowledge(bool acknowledge) {
  std::lock_guard lock(mutex_);
  acknowledge_ = acknowledge;
}

void FakeBroker::Send(const v1::AttachResponse& response) {
  std::shared_ptr<Stream> stream;
  {
    std::lock_guard lock(mutex_);
    TREADLE_ASSERT(!streams_.empty());
    stream = streams_.back();
  }
  Write(*stream, response);
}

void FakeBroker::SendTask(const v1::LeasedTask& task) {
  v1::AttachResponse response;
  *response.add_runs() = RunOf(task);
  Send(response);
}

void FakeBroker::SendStop(uint64_t token, v1::StopReason reason) {
  v1::AttachResponse response;
  v1::StopNotice& stop = *response.add_stops();
  stop.set_token(token);
  stop.set_reason(reason);
  Send(response);
}

void FakeBroker::SendOutputHandled(uint64_t token, uint64_t below_index) {
  v1::AttachResponse response;
  v1::OutputHandled& handled = *response.add_output_handled();
  handled.set_token(token);
  handled.set_below_index(below_index);
  Send(response);
}

void FakeBroker::Cut() {
  std::shared_ptr<Stream> stream;
  {
    std::lock_guard lock(mutex_);
    if (streams_.empty()) return;
    stream = streams_.back();
  }
  std::lock_guard writing(stream->writing);
  if (!stream->over) stream->context->TryCancel();
}

bool FakeBroker::WaitUntil(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + kGenerous;
  std::unique_lock lock(mutex_);
  while (true) {
    lock.unlock();
    if (condition()) return true;
    lock.lock();
    if (std::chrono::steady_clock::now() > until) return false;
    // The condition may look at what does not notify us.
    changed_.wait_for(lock, std::chrono::milliseconds(5));
  }
}

bool FakeBroker::WaitForStreams(int count) {
  return WaitUntil([&] { return streams() >= count; });
}

bool FakeBroker::WaitForReports(size_t count) {
  return WaitUntil([&] { return reports().size() >= count; });
}

bool FakeBroker::WaitForCredit(int tasks) {
  return WaitUntil([&] { return credit() >= tasks; });
}

std::vector<FakeBroker::Message> FakeBroker::messages() const {
  std::lock_guard lock(mutex_);
  return messages_;
}

std::vector<v1::AttemptReport> FakeBroker::reports() const {
  std::lock_guard lock(mutex_);
  std::vector<v1::AttemptReport> reports;
  for (const Message& message : messages_) {
    for (v1::AttemptReport& report : ReportsIn(message.request)) {
      reports.push_back(std::move(report));
    }
  }
  return reports;
}

std::optional<v1::AttemptReport> FakeBroker::report(uint64_t token) const {
  for (v1::AttemptReport& report : reports()) {
    if (report.token() == token) return std::move(report);
  }
  return std::nullopt;
}

v1::WorkerHello FakeBroker::hello(int stream) const {
  std::lock_guard lock(mutex_);
  for (const Message& message : messages_) {
    if (message.stream == stream && message.request.has_hello()) return message.request.hello();
  }
  return v1::WorkerHello();
}

int FakeBroker::streams() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(streams_.size());
}

bool FakeBroker::told_started(uint64_t token) const {
  std::lock_guard lock(mutex_);
  for (const Message& message : messages_) {
    for (const uint64_t started : message.request.started_tokens()) {
      if (started == token) return true;
    }
  }
  return false;
}

int FakeBroker::credit() const {
  std::lock_guard lock(mutex_);
  return streams_.empty() ? 0 : streams_.back()->credit;
}

bool FakeBroker::closed_cleanly(int stream) const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(streams_.size()) >= stream &&
         streams_[static_cast<size_t>(stream) - 1]->closed_cleanly;
}

v1::LeasedTask TaskOf(uint64_t token, const std::string& type, const std::string& payload) {
  v1::LeasedTask task;
  task.set_task_id(TaskId{1, token}.ToString());
  task.set_token(token);
  task.set_queue("queue");
  task.set_type(type);
  task.set_payload(payload);
  task.set_attempt(1);
  task.set_max_attempts(3);
  return task;
}

v1::LeasedRun RunOf(v1::LeasedTask task) {
  v1::LeasedRun run;
  run.add_payload_sizes(static_cast<uint32_t>(task.payload().size()));
  run.set_payloads(task.payload());
  task.clear_payload();
  *run.mutable_first() = std::move(task);
  return run;
}

std::vector<v1::AttemptReport> ReportsIn(const v1::AttachRequest& request) {
  std::vector<v1::AttemptReport> reports;
  for (const v1::ReportRun& run : request.succeeded()) {
    uint64_t token = run.first_token();
    size_t at = 0;
    for (const uint32_t size : run.result_sizes()) {
      v1::AttemptReport& report = reports.emplace_back();
      report.set_token(token++);
      report.set_end(v1::ATTEMPT_END_SUCCEEDED);
      report.set_result(run.results().substr(at, size));
      report.set_content_type(run.content_type());
      at += size;
    }
    TREADLE_ASSERT(at == run.results().size());
  }
  reports.insert(reports.end(), request.reports().begin(), request.reports().end());
  return reports;
}

}  // namespace treadle::worker
