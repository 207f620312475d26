#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle::worker {

// A broker that does what the test says: keeps all that workers send, welcomes, acknowledges and
// sends heartbeats by itself unless told not to. Thread-safe.
class FakeBroker {
 public:
  struct Message {
    int stream = 0;  // from 1, in the order in which they began
    v1::AttachRequest request;
  };

  FakeBroker();
  ~FakeBroker();

  // "127.0.0.1:port"; stays the same over Stop and Start.
  const std::string& address() const { return address_; }
  // The port refuses connections until Start.
  void Stop();
  void Start();

  // For the streams to come.
  void Welcome(const v1::Welcome& welcome);
  void WelcomeNobody();                    // and send nothing at all
  void Revoke(std::set<uint64_t> tokens);  // of the leases that a hello holds
  void RefuseAttach(const grpc::Status& status);
  // From now on.
  void Acknowledge(bool acknowledge);

  // Over the newest stream.
  void Send(const v1::AttachResponse& response);
  void SendTask(const v1::LeasedTask& task);
  void SendStop(uint64_t token, v1::StopReason reason);
  void SendOutputHandled(uint64_t token, uint64_t below_index);
  // Cuts the newest stream, as a lost connection does.
  void Cut();

  // True: it came true in time, which is a minute.
  bool WaitUntil(const std::function<bool()>& condition);
  bool WaitForStreams(int count);
  bool WaitForReports(size_t count);
  // A worker was welcomed in the newest stream, and has granted credit there.
  bool WaitForCredit(int tasks);

  // All that came so far.
  std::vector<Message> messages() const;
  std::vector<v1::AttemptReport> reports() const;
  // The first report with this token.
  std::optional<v1::AttemptReport> report(uint64_t token) const;
  // Hello of the stream, from 1.
  v1::WorkerHello hello(int stream) const;
  int streams() const;
  bool told_started(uint64_t token) const;
  // Granted in the newest stream, all pools together.
  int credit() const;
  // The stream was ended by the worker in an orderly way.
  bool closed_cleanly(int stream) const;

 private:
  class Service;
  struct Stream;

  void Beat();
  bool Write(Stream& stream, const v1::AttachResponse& response);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All below: GUARDED_BY(mutex_).
  std::vector<Message> messages_;
  std::vector<std::shared_ptr<Stream>> streams_;
  v1::Welcome welcome_;
  bool welcome_nobody_ = false;
  bool acknowledge_ = true;
  std::set<uint64_t> revoked_;
  grpc::Status refusal_;
  bool over_ = false;

  std::string address_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::thread heart_;
};

// A task with this token, of session 1 and with the token as its sequence.
v1::LeasedTask TaskOf(uint64_t token, const std::string& type, const std::string& payload = {});
// A run of one.
v1::LeasedRun RunOf(v1::LeasedTask task);

// What a message reports, attempt by attempt; first what succeeded.
std::vector<v1::AttemptReport> ReportsIn(const v1::AttachRequest& request);

}  // namespace treadle::worker
