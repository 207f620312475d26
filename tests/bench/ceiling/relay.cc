// The ceiling: the least that a task's way through three processes can cost on this machine, client
// -> relay -> worker -> relay -> client over batched gRPC streams, with no queue logic and nothing
// stored. Treadle's rates are quoted as shares of it, taken in the same run.
//
//   relay server ADDRESS                        prints the address with its port, serves until
//   killed relay worker ADDRESS relay client ADDRESS BATCH WINDOW SECONDS [PAYLOAD_BYTES]
//                                               prints tasks per second
//   relay ping ADDRESS COUNT                    prints the median and the 99th percentile in us
//
// Deliberately gRPC's plain synchronous API, one thread for each direction of each stream.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "relay.grpc.pb.h"

namespace treadle::ceiling {
namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// Messages from one stream's reader to the other stream's writer.
template <typename Message>
class Pipe {
 public:
  void Put(Message message) {
    {
      std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
    changed_.notify_one();
  }
  // False: closed, and nothing is left.
  bool Get(Message& message) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !messages_.empty() || closed_; });
    if (messages_.empty()) return false;
    message = std::move(messages_.front());
    messages_.pop_front();
    return true;
  }
  void Close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Message> messages_;
  bool closed_ = false;
};

// Serves one client after the other, and one worker.
class RelayService final : public Relay::Service {
 public:
  grpc::Status Submit(grpc::ServerContext*,
                      grpc::ServerReaderWriter<Outcomes, Tasks>* stream) override {
    std::thread writer([&] {
      Outcomes outcomes;
      while (outcomes_.Get(outcomes) && outcomes.outcomes_size() > 0) stream->Write(outcomes);
    });
    Tasks tasks;
    while (stream->Read(&tasks)) tasks_.Put(std::move(tasks));
    outcomes_.Put(Outcomes());  // an empty one ends this client's writer
    writer.join();
    return grpc::Status::OK;
  }

  grpc::Status Work(grpc::ServerContext*,
                    grpc::ServerReaderWriter<Tasks, Outcomes>* stream) override {
    std::thread writer([&] {
      Tasks tasks;
      while (tasks_.Get(tasks) && stream->Write(tasks)) {
      }
    });
    Outcomes outcomes;
    while (stream->Read(&outcomes)) outcomes_.Put(std::move(outcomes));
    tasks_.Close();
    writer.join();
    return grpc::Status::OK;
  }

 private:
  Pipe<Tasks> tasks_;
  Pipe<Outcomes> outcomes_;
};

int RunServer(const std::string& address) {
  RelayService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  builder.SetMaxReceiveMessageSize(-1);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "relay: cannot listen on %s\n", address.c_str());
    return 1;
  }
  std::printf("127.0.0.1:%d\n", port);
  std::fflush(stdout);
  server->Wait();
  return 0;
}

int RunWorker(Relay::Stub& stub) {
  grpc::ClientContext context;
  auto stream = stub.Work(&context);
  Tasks tasks;
  Outcomes outcomes;
  while (stream->Read(&tasks)) {
    outcomes.Clear();
    for (Task& task : *tasks.mutable_tasks()) {
      Outcome* outcome = outcomes.add_outcomes();
      outcome->set_id(std::move(*task.mutable_id()));
      outcome->set_state(3);
      outcome->set_result("ok");
    }
    stream->Write(outcomes);
  }
  return 0;
}

Tasks MakeBatch(int64_t count, int64_t payload_bytes) {
  Tasks batch;
  for (int64_t i = 0; i < count; i++) {
    Task* task = batch.add_tasks();
    task->set_id("0123456789abcdef");
    task->set_type("echo");
    task->set_payload(std::string(static_cast<size_t>(payload_bytes), 'x'));
  }
  return batch;
}

int RunClient(Relay::Stub& stub, int64_t batch_tasks, int64_t window, double seconds,
              int64_t payload_bytes) {
  grpc::ClientContext context;
  auto stream = stub.Submit(&context);
  const Tasks batch = MakeBatch(batch_tasks, payload_bytes);
  std::mutex mutex;
  std::condition_variable changed;
  int64_t submitted = 0;
  int64_t finished = 0;
  const auto start = SteadyClock::now();
  std::thread reader([&] {
    Outcomes outcomes;
    while (stream->Read(&outcomes)) {
      std::lock_guard lock(mutex);
      finished += outcomes.outcomes_size();
      changed.notify_one();
    }
  });
  while (SecondsSince(start) < seconds) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return submitted - finished < window; });
      submitted += batch_tasks;
    }
    stream->Write(batch);
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return submitted == finished; });
  }
  std::printf("%.0f\n", static_cast<double>(finished) / SecondsSince(start));
  stream->WritesDone();
  reader.join();
  stream->Finish();
  return 0;
}

int RunPing(Relay::Stub& stub, int64_t count) {
  grpc::ClientContext context;
  auto stream = stub.Submit(&context);
  const Tasks batch = MakeBatch(1, 100);
  std::vector<double> micros;
  Outcomes outcomes;
  for (int64_t i = 0; i < count; i++) {
    const auto start = SteadyClock::now();
    stream->Write(batch);
    stream->Read(&outcomes);
    micros.push_back(SecondsSince(start) * 1e6);
  }
  std::sort(micros.begin(), micros.end());
  std::printf("%.0f %.0f\n", micros[micros.size() / 2], micros[micros.size() * 99 / 100]);
  stream->WritesDone();
  stream->Finish();
  return 0;
}

int Main(const std::vector<std::string>& args) {
  auto number = [&](size_t i, const char* fallback) {
    return std::atof(i < args.size() ? args[i].c_str() : fallback);
  };
  if (args.size() < 2) {
    std::fprintf(stderr, "relay: usage: relay server|worker|client|ping ADDRESS ...\n");
    return 2;
  }
  const std::string& mode = args[0];
  if (mode == "server") return RunServer(args[1]);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  auto stub = Relay::NewStub(
      grpc::CreateCustomChannel(args[1], grpc::InsecureChannelCredentials(), arguments));
  if (mode == "worker") return RunWorker(*stub);
  if (mode == "ping") return RunPing(*stub, std::max<int64_t>(1, std::llround(number(2, "1000"))));
  return RunClient(*stub, std::llround(number(2, "100")), std::llround(number(3, "50000")),
                   number(4, "4"), std::llround(number(5, "100")));
}

}  // namespace
}  // namespace treadle::ceiling

int main(int argc, char** argv) {
  return treadle::ceiling::Main(std::vector<std::string>(argv + 1, argv + argc));
}
