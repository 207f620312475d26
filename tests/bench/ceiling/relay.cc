// The ceiling: the least that a task's way through three processes can cost on this machine, client
// -> relay -> worker -> relay -> client over batched gRPC streams, with no queue logic and nothing
// stored. Treadle's rates are quoted as shares of it, taken in the same run. WAY is "rows", a
// message for each task, or "columns", a message for each batch.
//
//   relay server WAY ADDRESS     prints the address with its port, serves until killed
//   relay worker WAY ADDRESS
//   relay client WAY ADDRESS BATCH WINDOW SECONDS [PAYLOAD_BYTES]
//                                prints tasks per second
//   relay ping WAY ADDRESS COUNT [PAUSE_MS]
//                                prints the median and the 99th percentile in us, and this
//                                process's CPU us for one
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
#include <sys/resource.h>

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

struct Rows {
  using Relay = RowRelay;
  using Tasks = ceiling::Tasks;
  using Outcomes = ceiling::Outcomes;

  explicit Rows(int64_t count, int64_t payload_bytes) {
    for (int64_t i = 0; i < count; i++) {
      Task* const task = batch_.add_tasks();
      task->set_id("0123456789abcdef");
      task->set_type("echo");
      task->set_payload(std::string(static_cast<size_t>(payload_bytes), 'x'));
    }
  }
  const Tasks& Batch() { return batch_; }

  static int64_t Count(const Outcomes& outcomes) { return outcomes.outcomes_size(); }
  static void Run(Tasks& tasks, Outcomes& outcomes) {
    outcomes.Clear();
    for (Task& task : *tasks.mutable_tasks()) {
      Outcome* const outcome = outcomes.add_outcomes();
      outcome->set_id(std::move(*task.mutable_id()));
      outcome->set_state(3);
      outcome->set_result("ok");
    }
  }

 private:
  Tasks batch_;
};

struct Columns {
  using Relay = ColumnRelay;
  using Tasks = TaskColumns;
  using Outcomes = OutcomeColumns;

  explicit Columns(int64_t count, int64_t payload_bytes)
      : count_(count), payload_(static_cast<size_t>(payload_bytes), 'x') {}
  // Anew each time, as a client has its payloads one by one.
  const Tasks& Batch() {
    batch_.Clear();
    batch_.set_first_id(next_id_);
    next_id_ += static_cast<uint64_t>(count_);
    batch_.set_type("echo");
    std::string& payloads = *batch_.mutable_payloads();
    payloads.reserve(static_cast<size_t>(count_) * payload_.size());
    for (int64_t i = 0; i < count_; i++) {
      payloads += payload_;
      batch_.add_sizes(static_cast<uint32_t>(payload_.size()));
    }
    return batch_;
  }

  static int64_t Count(const Outcomes& outcomes) { return outcomes.sizes_size(); }
  static void Run(Tasks& tasks, Outcomes& outcomes) {
    outcomes.Clear();
    outcomes.set_first_id(tasks.first_id());
    std::string& results = *outcomes.mutable_results();
    size_t at = 0;
    for (const uint32_t size : tasks.sizes()) {
      const std::string payload(tasks.payloads(), at, size);  // a handler's argument
      at += payload.size();
      results += "ok";
      outcomes.add_sizes(2);
    }
  }

 private:
  const int64_t count_;
  const std::string payload_;
  Tasks batch_;
  uint64_t next_id_ = 1;
};

// Serves one client after the other, and one worker.
template <typename Way>
class RelayService final : public Way::Relay::Service {
  using Tasks = typename Way::Tasks;
  using Outcomes = typename Way::Outcomes;

 public:
  grpc::Status Submit(grpc::ServerContext*,
                      grpc::ServerReaderWriter<Outcomes, Tasks>* stream) override {
    std::thread writer([&] {
      Outcomes outcomes;
      while (outcomes_.Get(outcomes) && Way::Count(outcomes) > 0) stream->Write(outcomes);
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

template <typename Way>
int RunServer(const std::string& address) {
  RelayService<Way> service;
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

template <typename Way>
int RunWorker(typename Way::Relay::Stub& stub) {
  grpc::ClientContext context;
  auto stream = stub.Work(&context);
  typename Way::Tasks tasks;
  typename Way::Outcomes outcomes;
  while (stream->Read(&tasks)) {
    Way::Run(tasks, outcomes);
    stream->Write(outcomes);
  }
  return 0;
}

template <typename Way>
int RunClient(typename Way::Relay::Stub& stub, int64_t batch_tasks, int64_t window, double seconds,
              int64_t payload_bytes) {
  grpc::ClientContext context;
  auto stream = stub.Submit(&context);
  Way tasks(batch_tasks, payload_bytes);
  std::mutex mutex;
  std::condition_variable changed;
  int64_t submitted = 0;
  int64_t finished = 0;
  const auto start = SteadyClock::now();
  std::thread reader([&] {
    typename Way::Outcomes outcomes;
    while (stream->Read(&outcomes)) {
      std::lock_guard lock(mutex);
      finished += Way::Count(outcomes);
      changed.notify_one();
    }
  });
  while (SecondsSince(start) < seconds) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return submitted - finished < window; });
      submitted += batch_tasks;
    }
    stream->Write(tasks.Batch());
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

double CpuMicros() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto micros = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

template <typename Way>
int RunPing(typename Way::Relay::Stub& stub, int64_t count, int64_t pause_ms) {
  grpc::ClientContext context;
  auto stream = stub.Submit(&context);
  Way task(1, 100);
  std::vector<double> micros;
  typename Way::Outcomes outcomes;
  const double cpu_before = CpuMicros();
  for (int64_t i = 0; i < count; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    const auto start = SteadyClock::now();
    stream->Write(task.Batch());
    stream->Read(&outcomes);
    micros.push_back(SecondsSince(start) * 1e6);
  }
  const double cpu = (CpuMicros() - cpu_before) / static_cast<double>(count);
  std::sort(micros.begin(), micros.end());
  std::printf("%.0f %.0f %.0f\n", micros[micros.size() / 2], micros[micros.size() * 99 / 100], cpu);
  stream->WritesDone();
  stream->Finish();
  return 0;
}

template <typename Way>
int Main(const std::vector<std::string>& args) {
  auto number = [&](size_t i, const char* fallback) {
    return std::atof(i < args.size() ? args[i].c_str() : fallback);
  };
  const std::string& mode = args[0];
  if (mode == "server") return RunServer<Way>(args[2]);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  auto stub = Way::Relay::NewStub(
      grpc::CreateCustomChannel(args[2], grpc::InsecureChannelCredentials(), arguments));
  if (mode == "worker") return RunWorker<Way>(*stub);
  if (mode == "ping") {
    return RunPing<Way>(*stub, std::max<int64_t>(1, std::llround(number(3, "1000"))),
                        std::llround(number(4, "0")));
  }
  return RunClient<Way>(*stub, std::llround(number(3, "100")), std::llround(number(4, "50000")),
                        number(5, "4"), std::llround(number(6, "100")));
}

}  // namespace
}  // namespace treadle::ceiling

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() < 3 || (args[1] != "rows" && args[1] != "columns")) {
    std::fprintf(stderr,
                 "relay: usage: relay server|worker|client|ping rows|columns ADDRESS ...\n");
    return 2;
  }
  return args[1] == "rows" ? treadle::ceiling::Main<treadle::ceiling::Rows>(args)
                           : treadle::ceiling::Main<treadle::ceiling::Columns>(args);
}
