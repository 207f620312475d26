// The client's side of what tests/bench/run.py and operators.py measure: Treadle's own library, as
// a user's program has it.
//
//   bench_client MODE ADDRESS DURABILITY FIELD...
//
//   rate BATCH WINDOW SECONDS PAYLOAD_BYTES
//       submits in groups of BATCH, with up to WINDOW tasks under way, and collects the results.
//       Prints tasks, seconds, this process's CPU seconds
//   enqueue THREADS SECONDS
//       submits to a queue that nobody serves until the broker has accepted them, 50,000 under way
//       at most: in groups of 1,000 on one thread, or one task at a time on several. Prints tasks
//       and seconds
//   crowd CLIENTS WINDOW SECONDS
//       as many clients, each with a connection of its own and WINDOW tasks under way. Prints tasks
//       per second: of all, of the median client, of the slowest
//   lone COUNT PAUSE_MS
//       one task after each pause. Prints in us the median, the 99th percentile, the slowest, and
//       this process's CPU for one
//   paced RATE SECONDS
//       tasks at their times, whatever became of earlier ones; submits each ms what is due.
//       Prints in us, from the time when a task was due to its result, the median, the 99th
//       percentile, and the slowest
//   scheduled COUNT DELAY_S
//       COUNT tasks for the same moment, DELAY_S from now. Prints in ms how long after it the last
//       result came, and the slowest of the lone tasks of another queue meanwhile
//   fill QUEUE COUNT BATCH PRIORITIES
//       posts COUNT 100-byte tasks to a queue, in groups of BATCH (1: no two that follow one
//       another are of one type), with PRIORITIES priorities in turn. Prints the seconds
//   drain QUEUE COUNT
//       waits until a worker has taken COUNT tasks off the queue. Prints the seconds
//   flow QUEUE SECONDS PRIORITIES
//       posts to a queue that is served, no faster than keeps its depth. Prints tasks per second
//       that have ended
//   spread PREFIX QUEUES COUNT
//       posts COUNT 100-byte tasks to so many queues, PREFIX0, PREFIX1, ..., each its share of them
//       and one at least. Prints the seconds
//   dead QUEUE COUNT
//       posts COUNT tasks that fail to a queue that is served, and waits until they have. Prints
//       the seconds
//   redrive QUEUE PAUSE_MS
//       has a job of the broker submit all dead letters of a queue that is not served again, and
//       meanwhile does as "lone". Prints how many the job has submitted and its seconds, how many
//       lone tasks there were, and of these in us the median, the 99th percentile and the slowest
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include "treadle/treadle.h"
#include "treadle/v1/job_service.pb.h"
#include "treadle/v1/queue_service.pb.h"

namespace treadle {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Args = std::vector<std::string>;

constexpr char kQueue[] = "bench";
constexpr char kUnservedQueue[] = "unserved";
constexpr char kLoneQueue[] = "lone";
constexpr TaskType<Payload(Payload)> kNoop{"noop"};
constexpr TaskType<Payload(Payload)> kFailing{"fail"};
constexpr char kType[] = "noop";
constexpr char kOtherType[] = "noop2";  // in turn with the first: no two that follow are alike
constexpr size_t kPayloadBytes = 100;
constexpr size_t kWindow = 50'000;  // tasks under way at most, as the ceiling has

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int64_t Number(const Args& args, size_t i) { return std::atoll(args[i].c_str()); }

Payload Blank(size_t bytes) { return Payload(std::string(bytes, 'x'), kBytesContentType); }

double Percentile(std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1,
                         static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

// What a mode gets: a client that is connected, and executors on it.
class Bench {
 public:
  Bench(std::string address, const std::string& durability) : address_(std::move(address)) {
    submit_.durability = durability == "memory"    ? Durability::kMemory
                         : durability == "written" ? Durability::kWritten
                                                   : Durability::kSynced;
    client_ = Connect();
  }

  std::unique_ptr<Client> Connect() const {
    auto client = Client::Connect(ClientOptions(address_));
    Check(client.status());
    return *std::move(client);
  }
  Executor On(Client& client, const std::string& queue) const {
    ExecutorOptions options(queue);
    options.submit = submit_;
    return Executor(client, options);
  }
  Executor On(const std::string& queue) const { return On(*client_, queue); }
  Client& client() const { return *client_; }
  const SubmitOptions& submit() const { return submit_; }

  static void Check(const absl::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "bench_client: %s\n", status.ToString().c_str());
    std::exit(1);
  }

 private:
  const std::string address_;
  SubmitOptions submit_;
  std::unique_ptr<Client> client_;
};

// Submits in groups, with so many tasks under way, for so long. Returns how many have ended.
size_t RunGroups(const Executor& executor, size_t batch, size_t window, double seconds,
                 const Payload& payload) {
  const std::vector<Payload> group(batch, payload);
  std::deque<Future<Payload>> under_way;
  size_t finished = 0;
  auto finish = [&](size_t count) {
    for (; count > 0; count--, finished++) {
      Bench::Check(under_way.front().Wait());
      under_way.pop_front();
    }
  };
  const auto start = SteadyClock::now();
  while (SecondsSince(start) < seconds) {
    if (under_way.size() + batch > window) finish(batch);
    for (Future<Payload>& future : executor.SubmitAll(kNoop, group)) {
      under_way.push_back(std::move(future));
    }
  }
  finish(under_way.size());
  return finished;
}

void Rate(const Bench& bench, const Args& args) {
  const Payload payload = Blank(static_cast<size_t>(Number(args, 3)));
  const double cpu_before = CpuSeconds();
  const auto start = SteadyClock::now();
  const size_t finished =
      RunGroups(bench.On(kQueue), static_cast<size_t>(Number(args, 0)),
                static_cast<size_t>(Number(args, 1)), std::atof(args[2].c_str()), payload);
  std::printf("%zu %.3f %.3f\n", finished, SecondsSince(start), CpuSeconds() - cpu_before);
}

using Group = std::vector<Future<Acceptance>>;

// Posts groups until `until` says so, with up to `window` tasks that are not accepted yet. `post`
// is told how many were posted before. Returns how many were accepted.
template <typename Until, typename PostGroup>
size_t PostGroups(size_t window, Until until, PostGroup post) {
  std::deque<Group> under_way;
  size_t posted = 0;
  size_t accepted = 0;
  while (!under_way.empty() || !until(posted)) {
    if (!until(posted)) {
      posted += under_way.emplace_back(post(posted)).size();
      if (posted - accepted < window) continue;
    }
    for (const Future<Acceptance>& future : under_way.front()) Bench::Check(future.Wait());
    accepted += under_way.front().size();
    under_way.pop_front();
  }
  return accepted;
}

void Enqueue(const Bench& bench, const Args& args) {
  const auto threads = static_cast<size_t>(Number(args, 0));
  const double seconds = std::atof(args[1].c_str());
  const Executor executor = bench.On(kUnservedQueue);
  const Payload payload = Blank(kPayloadBytes);
  const std::vector<Payload> together(1'000, payload);
  const auto post = [&](size_t) {
    if (threads == 1) return executor.PostAll(kNoop, together);
    Group group;
    while (group.size() < 100) group.push_back(executor.PostRaw(kType, payload));
    return group;
  };
  const auto start = SteadyClock::now();
  const auto over = [&](size_t) { return SecondsSince(start) >= seconds; };
  std::vector<size_t> accepted(threads);
  std::vector<std::thread> running;
  for (size_t& count : accepted) {
    running.emplace_back([&] { count = PostGroups(kWindow / threads, over, post); });
  }
  for (std::thread& thread : running) thread.join();
  size_t all = 0;
  for (const size_t count : accepted) all += count;
  std::printf("%zu %.3f\n", all, SecondsSince(start));
}

void Crowd(const Bench& bench, const Args& args) {
  const auto clients = static_cast<size_t>(Number(args, 0));
  const auto window = static_cast<size_t>(Number(args, 1));
  const double seconds = std::atof(args[2].c_str());
  const Payload payload = Blank(kPayloadBytes);
  std::vector<std::unique_ptr<Client>> connected;
  while (connected.size() < clients) connected.push_back(bench.Connect());
  std::vector<double> rates(clients);
  std::vector<std::thread> running;
  for (size_t i = 0; i < clients; i++) {
    running.emplace_back([&, i] {
      const auto start = SteadyClock::now();
      const size_t finished =
          RunGroups(bench.On(*connected[i], kQueue), window / 2, window, seconds, payload);
      rates[i] = static_cast<double>(finished) / SecondsSince(start);
    });
  }
  for (std::thread& thread : running) thread.join();
  std::sort(rates.begin(), rates.end());
  double all = 0;
  for (const double rate : rates) all += rate;
  std::printf("%.0f %.0f %.0f\n", all, rates[clients / 2], rates[0]);
}

// One task, and how long it took in us.
double Trip(const Executor& executor, const Payload& payload) {
  const auto start = SteadyClock::now();
  Bench::Check(executor.SubmitRaw(kType, payload).Wait());
  return SecondsSince(start) * 1e6;
}

void Lone(const Bench& bench, const Args& args) {
  const Executor executor = bench.On(kQueue);
  const Payload payload = Blank(kPayloadBytes);
  const int64_t count = Number(args, 0);
  const std::chrono::milliseconds pause(Number(args, 1));
  std::vector<double> micros;
  const double cpu_before = CpuSeconds();
  for (int64_t i = 0; i < count; i++) {
    std::this_thread::sleep_for(pause);
    micros.push_back(Trip(executor, payload));
  }
  const double cpu = (CpuSeconds() - cpu_before) * 1e6 / static_cast<double>(count);
  std::sort(micros.begin(), micros.end());
  std::printf("%.0f %.0f %.0f %.0f\n", Percentile(micros, 0.5), Percentile(micros, 0.99),
              micros.back(), cpu);
}

// A task that was due at that time, in seconds from the start.
struct Due {
  double at;
  Future<Payload> future;
};

// Takes results in the order in which they were submitted, on a thread of its own.
class Latencies {
 public:
  Latencies(SteadyClock::time_point start, size_t total) : start_(start) {
    micros_.reserve(total);
    thread_ = std::thread([this] { Run(); });
  }

  void Add(std::vector<Due> group) {
    std::lock_guard lock(mutex_);
    for (Due& due : group) under_way_.push_back(std::move(due));
    news_.notify_one();
  }
  // In us, the least first, when all results are here.
  std::vector<double> Take() {
    {
      std::lock_guard lock(mutex_);
      complete_ = true;
      news_.notify_one();
    }
    thread_.join();
    std::sort(micros_.begin(), micros_.end());
    return std::move(micros_);
  }

 private:
  void Run() {
    std::deque<Due> taken;
    while (Next(taken)) {
      for (const Due& due : taken) {
        Bench::Check(due.future.Wait());
        micros_.push_back((SecondsSince(start_) - due.at) * 1e6);
      }
      taken.clear();
    }
  }
  bool Next(std::deque<Due>& taken) {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [this] { return complete_ || !under_way_.empty(); });
    taken.swap(under_way_);
    return !taken.empty();
  }

  const SteadyClock::time_point start_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Due> under_way_;
  bool complete_ = false;
  std::vector<double> micros_;  // the thread's, until it ends
  std::thread thread_;
};

void Paced(const Bench& bench, const Args& args) {
  const Executor executor = bench.On(kQueue);
  const Payload payload = Blank(kPayloadBytes);
  const double rate = std::atof(args[0].c_str());
  const auto total = static_cast<size_t>(rate * std::atof(args[1].c_str()));
  Bench::Check(executor.SubmitRaw(kType, payload).Wait());  // all are connected
  const auto start = SteadyClock::now();
  Latencies latencies(start, total);
  for (size_t i = 0; i < total;) {
    const size_t due = std::min(total, static_cast<size_t>(SecondsSince(start) * rate) + 1);
    std::vector<Due> group;
    for (auto& future : executor.SubmitAll(kNoop, std::vector<Payload>(due - i, payload))) {
      group.push_back({static_cast<double>(i++) / rate, std::move(future)});
    }
    latencies.Add(std::move(group));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::vector<double> micros = latencies.Take();
  std::printf("%.0f %.0f %.0f\n", Percentile(micros, 0.5), Percentile(micros, 0.99), micros.back());
}

void Scheduled(const Bench& bench, const Args& args) {
  const auto count = static_cast<size_t>(Number(args, 0));
  const Payload payload = Blank(kPayloadBytes);
  const auto due = std::chrono::system_clock::now() + std::chrono::seconds(Number(args, 1));
  SubmitOptions at = bench.submit();
  at.run_at = due;
  const Executor executor = bench.On(kQueue).With(at);
  std::vector<Future<Payload>> futures;
  while (futures.size() < count) futures.push_back(executor.SubmitRaw(kType, payload));
  Bench::Check(bench.client().Flush());
  const std::unique_ptr<Client> other = bench.Connect();
  std::atomic<bool> ended = false;
  double slowest = 0;
  std::thread lone([&] {
    const Executor lone_executor = bench.On(*other, kLoneQueue);
    Trip(lone_executor, payload);
    while (!ended) {
      slowest = std::max(slowest, Trip(lone_executor, payload));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (const Future<Payload>& future : futures) Bench::Check(future.Wait());
  const std::chrono::duration<double, std::milli> late = std::chrono::system_clock::now() - due;
  ended = true;
  lone.join();
  std::printf("%.0f %.1f\n", late.count(), slowest / 1e3);
}

void Fill(const Bench& bench, const Args& args) {
  const auto count = static_cast<size_t>(Number(args, 1));
  const bool alone = Number(args, 2) <= 1;
  const int64_t priorities = Number(args, 3);
  const Payload payload = Blank(kPayloadBytes);
  std::vector<Executor> executors;
  for (int64_t i = 0; i < std::max<int64_t>(1, priorities); i++) {
    executors.push_back(bench.On(args[0]).With(bench.submit().Priority(static_cast<int32_t>(i))));
  }
  const std::vector<Payload> together(alone ? 1'000 : static_cast<size_t>(Number(args, 2)),
                                      payload);
  const auto post = [&](size_t posted) {
    const Executor& executor = executors[posted / together.size() % executors.size()];
    if (!alone) return executor.PostAll(kNoop, together);
    Group group;
    while (group.size() < together.size()) {
      group.push_back(executor.PostRaw(group.size() % 2 == 1 ? kOtherType : kType, payload));
    }
    return group;
  };
  const auto start = SteadyClock::now();
  PostGroups(
      kWindow, [&](size_t posted) { return posted >= count; }, post);
  std::printf("%.3f\n", SecondsSince(start));
}

// Of tasks that wait or run.
int64_t LeftIn(Client& client, const std::string& queue) {
  const absl::StatusOr<v1::Queue> found = client.GetQueue(queue);
  Bench::Check(found.status());
  return found->stats().queued() + found->stats().running();
}

void Drain(const Bench& bench, const Args& args) {
  const auto start = SteadyClock::now();
  const int64_t goal = std::max<int64_t>(0, LeftIn(bench.client(), args[0]) - Number(args, 1));
  while (LeftIn(bench.client(), args[0]) > goal) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::printf("%.3f\n", SecondsSince(start));
}

void Flow(const Bench& bench, const Args& args) {
  constexpr int64_t kMoreMax = 50'000;
  constexpr size_t kUnansweredMax = 20'000;
  const int64_t priorities = std::max<int64_t>(1, Number(args, 2));
  const double seconds = std::atof(args[1].c_str());
  const Executor executor = bench.On(args[0]);
  const Payload payload = Blank(kPayloadBytes);
  const int64_t at_first = LeftIn(bench.client(), args[0]);
  const auto start = SteadyClock::now();
  std::deque<Future<Acceptance>> unanswered;
  int64_t posted = 0;
  int64_t left = at_first;
  while (SecondsSince(start) < seconds) {
    SubmitOptions options = bench.submit();
    options.priority = static_cast<int32_t>(posted / 1'000 % priorities);
    for (int i = 0; i < 1'000; i++, posted++) {
      unanswered.push_back(executor.PostRaw(options, kType, payload));
    }
    for (; unanswered.size() > kUnansweredMax; unanswered.pop_front()) {
      Bench::Check(unanswered.front().Wait());
    }
    if (posted % 20'000 != 0) continue;
    while ((left = LeftIn(bench.client(), args[0])) > at_first + kMoreMax) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  for (const Future<Acceptance>& future : unanswered) Bench::Check(future.Wait());
  left = LeftIn(bench.client(), args[0]);
  std::printf("%.0f\n", static_cast<double>(posted - (left - at_first)) / SecondsSince(start));
}

void Spread(const Bench& bench, const Args& args) {
  const auto queues = static_cast<size_t>(Number(args, 1));
  const auto each = std::max<size_t>(1, static_cast<size_t>(Number(args, 2)) / queues);
  const std::vector<Payload> together(each, Blank(kPayloadBytes));
  const auto start = SteadyClock::now();
  PostGroups(
      kWindow, [&](size_t posted) { return posted >= queues * each; },
      [&](size_t posted) {
        return bench.On(args[0] + std::to_string(posted / each)).PostAll(kNoop, together);
      });
  std::printf("%.3f\n", SecondsSince(start));
}

void Dead(const Bench& bench, const Args& args) {
  const auto count = static_cast<size_t>(Number(args, 1));
  const Executor executor = bench.On(args[0]);
  const Payload payload = Blank(kPayloadBytes);
  const auto start = SteadyClock::now();
  PostGroups(
      kWindow, [&](size_t posted) { return posted >= count; },
      [&](size_t posted) {
        const std::vector<Payload> group(std::min<size_t>(1'000, count - posted), payload);
        return executor.PostAll(kFailing, group);
      });
  while (LeftIn(bench.client(), args[0]) > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::printf("%.3f\n", SecondsSince(start));
}

void Redrive(const Bench& bench, const Args& args) {
  constexpr double kLookSeconds = 0.05;
  const Executor executor = bench.On(kQueue);
  const Payload payload = Blank(kPayloadBytes);
  const std::chrono::milliseconds pause(Number(args, 1));
  Trip(executor, payload);
  v1::JobSpec spec;
  spec.mutable_redrive_dead_letters()->mutable_letters()->set_queue(args[0]);
  absl::StatusOr<v1::Job> job = bench.client().StartJob(spec);
  Bench::Check(job.status());
  std::vector<double> micros;
  auto looked = SteadyClock::now();
  while (job->state() == v1::JOB_STATE_RUNNING) {
    micros.push_back(Trip(executor, payload));
    std::this_thread::sleep_for(pause);
    if (SecondsSince(looked) < kLookSeconds) continue;
    job = bench.client().GetJob(job->job_id());
    Bench::Check(job.status());
    looked = SteadyClock::now();
  }
  if (micros.empty()) micros.push_back(Trip(executor, payload));
  std::sort(micros.begin(), micros.end());
  std::printf("%lld %.3f %zu %.0f %.0f %.0f\n", static_cast<long long>(job->done()),
              static_cast<double>(job->ended_at_ms() - job->started_at_ms()) / 1e3, micros.size(),
              Percentile(micros, 0.5), Percentile(micros, 0.99), micros.back());
}

struct Mode {
  void (*run)(const Bench& bench, const Args& args);
  size_t fields;
};

int Main(const Args& args) {
  const std::map<std::string, Mode> modes = {
      {"rate", {Rate, 4}},     {"enqueue", {Enqueue, 2}}, {"crowd", {Crowd, 3}},
      {"lone", {Lone, 2}},     {"paced", {Paced, 2}},     {"scheduled", {Scheduled, 2}},
      {"fill", {Fill, 4}},     {"drain", {Drain, 2}},     {"flow", {Flow, 3}},
      {"spread", {Spread, 3}}, {"dead", {Dead, 2}},       {"redrive", {Redrive, 2}},
  };
  const auto mode = modes.find(args.empty() ? "" : args[0]);
  if (mode == modes.end() || args.size() != 3 + mode->second.fields) {
    std::fprintf(stderr, "bench_client: the source says how it is used: tests/bench/client.cc\n");
    return 2;
  }
  mode->second.run(Bench(args[1], args[2]), Args(args.begin() + 3, args.end()));
  return 0;
}

}  // namespace
}  // namespace treadle

int main(int argc, char** argv) {
  return treadle::Main(std::vector<std::string>(argv + 1, argv + argc));
}
