#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "tests/support/runs.h"
#include "treadle/client.h"
#include "treadle/v1/admin_service.grpc.pb.h"
#include "treadle/v1/task_service.grpc.pb.h"

// A broker that says what a test tells it to: each Session call becomes a FakeStream, whose
// messages the test reads and writes, one by one. It answers GetServerInfo by itself, knows no
// queue and no worker. The broker listens on a port of its own of 127.0.0.1.

namespace treadle {

// One Session call, from the broker's side. Used by one thread. The call ends when the test lets go
// of it.
class FakeStream {
 public:
  using Writer = grpc::ServerReaderWriter<v1::SessionResponse, v1::SessionRequest>;

  FakeStream(grpc::ServerContext& context, Writer& writer) : context_(context), writer_(writer) {}

  // The first message. Answers it, as session `session_id`.
  v1::SessionOpen Open(uint64_t session_id, bool resumed = false,
                       const v1::SessionOpened& bounds = v1::SessionOpened());
  // Without an answer.
  v1::SessionOpen ReadOpen();

  // The next `count` of what the client says, however it was put into messages.
  std::vector<test::SequencedTask> Tasks(size_t count);
  std::vector<std::string> Awaits(size_t count);
  std::vector<std::string> Cancels(size_t count);
  // Reads until the client says that everything below `sequence` is answered.
  void AwaitAcknowledgedBelow(uint64_t sequence);
  // Reads until the client says nothing more. False: the call broke instead.
  bool AwaitWritesDone();
  // Reads one message into what the methods above return. False: there is none any more.
  bool ReadMessage();

  // Without heartbeats.
  size_t messages() const { return messages_; }
  // The last message's, be it a heartbeat.
  bool answer_may_wait() const { return answer_may_wait_; }
  size_t runs() const { return runs_; }
  size_t largest_message_bytes() const { return largest_message_bytes_; }

  void Accept(uint64_t first, uint64_t last, v1::Durability level = v1::DURABILITY_SYNCED);
  void AcceptAs(uint64_t sequence, const std::string& existing_task_id);
  void Refuse(uint64_t sequence, const absl::Status& status);
  void Succeed(const std::string& task_id, const std::string& result,
               const std::string& content_type = "");
  void Fail(const std::string& task_id, const std::string& type, const std::string& message);
  void Unknown(const std::string& task_id);
  void Write(const v1::SessionResponse& response);

  // Answers with bytes that are no message, and leaves the call open.
  void WriteGarbage();

  // Ends the call.
  void End(const grpc::Status& status);

 private:
  friend class FakeBroker;
  grpc::Status WaitUntilEnded();

  grpc::ServerContext& context_;
  Writer& writer_;

  std::optional<v1::SessionOpen> open_;
  std::deque<test::SequencedTask> tasks_;
  std::deque<std::string> awaits_;
  std::deque<std::string> cancels_;
  uint64_t acknowledged_below_ = 0;
  size_t messages_ = 0;
  bool answer_may_wait_ = false;
  size_t runs_ = 0;
  size_t largest_message_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<grpc::Status> status_;  // protected by mutex_
};

class FakeBroker {
 public:
  FakeBroker();
  ~FakeBroker();

  std::string address() const;
  // Options for a client of this broker, with short waits.
  ClientOptions Options() const;

  // How many Session calls there were since Start.
  size_t streams() const;
  // The next Session call; waits for it.
  std::shared_ptr<FakeStream> NextStream();
  // Answers GetServerInfo with an error from now on; OK: no longer.
  void Refuse(const absl::Status& status);
  // ListWorkers says that there is none; or ends with an error; or leaves who asks without an
  // answer until he gives up.
  void ListNone() { workers_ = Workers::kNone; }
  void ListError() { workers_ = Workers::kError; }
  void ListNeverAnswered() { workers_ = Workers::kNeverAnswered; }
  // How often that was asked.
  int workers_asked() const { return workers_asked_; }
  // Answers ReadOutput, on the calls' threads; without it nobody does. Set before the first call.
  using OutputReader = std::function<grpc::Status(
      grpc::ServerContext&, const v1::ReadOutputRequest&, v1::ReadOutputResponse&)>;
  void OnReadOutput(OutputReader read) { read_output_ = std::move(read); }
  // What WatchTask says, once, of any task: that it has ended. Set before the first call.
  void OnWatchTask(v1::WatchTaskResponse end) { watched_ = std::move(end); }

  // Connects a client and has it open its first stream, as session `session_id`.
  std::pair<std::unique_ptr<Client>, std::shared_ptr<FakeStream>> Connect(
      ClientOptions options, uint64_t session_id = 7,
      const v1::SessionOpened& bounds = v1::SessionOpened());
  std::pair<std::unique_ptr<Client>, std::shared_ptr<FakeStream>> Connect();

  // Breaks every call and closes the port; Start opens the same one again.
  void Stop();
  void Start();

 private:
  class Service;
  class Admin;
  class Queues;
  enum class Workers { kNone, kError, kNeverAnswered };

  int port_ = 0;
  std::atomic<Workers> workers_{Workers::kNone};
  std::atomic<int> workers_asked_{0};
  OutputReader read_output_;
  v1::WatchTaskResponse watched_;
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<Queues> queues_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

// "7-3" for session 7's third task.
std::string IdOf(uint64_t session, uint64_t sequence);

}  // namespace treadle
