#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/task_id.h"
#include "tests/rpc/fixture.h"
#include "tests/support/runs.h"

namespace treadle::test {

// A client's end of a bidirectional stream, blocking, with a deadline.
template <typename Request, typename Response>
class Stream {
 public:
  using ReaderWriter = grpc::ClientReaderWriter<Request, Response>;

  template <typename Open>
  explicit Stream(Open open) : stream_(open(&context_)) {}

  bool Write(const Request& request) { return stream_->Write(request); }
  // The next message that is neither a heartbeat nor tells that a large one comes; absent fields
  // when the stream is over.
  Response Next() {
    Response response;
    while (stream_->Read(&response)) {
      if (response.ByteSizeLong() > 0 && response.arriving_bytes() == 0) return response;
    }
    return Response();
  }
  // The next message of any kind. False: the stream is over.
  bool NextRaw(Response& response) { return stream_->Read(&response); }
  void HalfClose() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }
  // Reads what is left, and gives the status.
  grpc::Status Finish() {
    Response response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }

 private:
  Context context_;
  std::unique_ptr<ReaderWriter> stream_;
};

class SessionClient : public Stream<v1::SessionRequest, v1::SessionResponse> {
 public:
  explicit SessionClient(v1::TaskService::Stub& stub)
      : Stream([&stub](grpc::ClientContext* context) { return stub.Session(context); }) {}

  // Opens a session, new or to go on with.
  v1::SessionOpened Open(const v1::SessionOpened& before = {}) {
    v1::SessionRequest request;
    request.mutable_open()->set_session_id(before.session_id());
    request.mutable_open()->set_resume_secret(before.resume_secret());
    Write(request);
    return Next().opened();
  }
  void Submit(uint64_t sequence, const v1::TaskSpec& spec) {
    v1::SessionRequest request;
    AddTask(sequence, spec, request);
    Write(request);
  }
};

class WorkerClient : public Stream<v1::AttachRequest, v1::AttachResponse> {
 public:
  explicit WorkerClient(v1::WorkerService::Stub& stub)
      : Stream([&stub](grpc::ClientContext* context) { return stub.Attach(context); }) {}

  static v1::AttachRequest Hello(const std::string& worker_id, const std::string& queue) {
    v1::AttachRequest request;
    v1::WorkerHello& hello = *request.mutable_hello();
    hello.set_worker_id(worker_id);
    hello.set_worker_name("name of " + worker_id);
    hello.add_queues(queue);
    v1::WorkerPool& pool = *hello.add_pools();
    pool.set_name("thread");
    pool.set_slots(4);
    return request;
  }
  static void AddCredit(v1::AttachRequest& request, int tasks, int pool = 0) {
    v1::Credit& credit = *request.add_credits();
    credit.set_pool(pool);
    credit.set_tasks(tasks);
  }
  // What the response's runs say, task by task.
  static std::vector<v1::LeasedTask> TasksOf(const v1::AttachResponse& response) {
    std::vector<v1::LeasedTask> tasks;
    for (const v1::LeasedRun& run : response.runs()) {
      TaskId id = TaskId::Parse(run.first().task_id()).value();
      uint64_t token = run.first().token();
      size_t at = 0;
      for (const uint32_t size : run.payload_sizes()) {
        v1::LeasedTask& task = tasks.emplace_back(run.first());
        task.set_task_id(id.ToString());
        task.set_token(token++);
        task.set_payload(run.payloads().substr(at, size));
        ++id.sequence;
        at += size;
      }
      EXPECT_EQ(at, run.payloads().size());
    }
    return tasks;
  }
  v1::LeasedTask NextTask() {
    const std::vector<v1::LeasedTask> tasks = TasksOf(Next());
    EXPECT_EQ(tasks.size(), 1u);
    return tasks.empty() ? v1::LeasedTask() : tasks.front();
  }
};

}  // namespace treadle::test
