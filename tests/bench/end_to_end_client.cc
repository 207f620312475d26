// The client's side of tests/bench/end_to_end.sh: Treadle's own library, as a user's program has
// it.
//
//   end_to_end_client rate ADDRESS DURABILITY BATCH WINDOW SECONDS [PAYLOAD_BYTES]
//       submits in groups of BATCH, with up to WINDOW tasks under way, and prints: tasks, seconds,
//       and this process's CPU seconds
//   end_to_end_client idle ADDRESS DURABILITY COUNT PAUSE_MS
//       one task after each pause; prints the median and the slowest in us
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include "treadle/treadle.h"

namespace treadle {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr char kQueue[] = "bench";
constexpr char kType[] = "noop";

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

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "end_to_end_client: %s\n", status.ToString().c_str());
  return 1;
}

SubmitOptions OptionsFor(const std::string& durability) {
  SubmitOptions options;
  options.durability = durability == "memory"    ? Durability::kMemory
                       : durability == "written" ? Durability::kWritten
                                                 : Durability::kSynced;
  return options;
}

int RunRate(Client& client, const std::string& durability, size_t batch, size_t window,
            double seconds, size_t payload_bytes) {
  ExecutorOptions executor_options(kQueue);
  executor_options.submit = OptionsFor(durability);
  const Executor executor(client, executor_options);
  const Payload payload(std::string(payload_bytes, 'x'), kBytesContentType);
  std::deque<Future<Payload>> under_way;
  size_t finished = 0;
  auto finish = [&](size_t count) -> absl::Status {
    for (; count > 0; count--, finished++) {
      if (absl::Status status = under_way.front().Wait(); !status.ok()) return status;
      under_way.pop_front();
    }
    return absl::OkStatus();
  };
  const double cpu_before = CpuSeconds();
  const auto start = SteadyClock::now();
  while (SecondsSince(start) < seconds) {
    if (under_way.size() + batch > window) {
      if (absl::Status status = finish(batch); !status.ok()) return Fail(status);
    }
    for (size_t i = 0; i < batch; i++) under_way.push_back(executor.SubmitRaw(kType, payload));
  }
  if (absl::Status status = finish(under_way.size()); !status.ok()) return Fail(status);
  std::printf("%zu %.3f %.3f\n", finished, SecondsSince(start), CpuSeconds() - cpu_before);
  return 0;
}

int RunIdle(Client& client, const std::string& durability, int64_t count, int64_t pause_ms) {
  ExecutorOptions executor_options(kQueue);
  executor_options.submit = OptionsFor(durability);
  const Executor executor(client, executor_options);
  const Payload payload(std::string(100, 'x'), kBytesContentType);
  std::vector<double> micros;
  for (int64_t i = 0; i < count; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
    const auto start = SteadyClock::now();
    if (absl::Status status = executor.SubmitRaw(kType, payload).Wait(); !status.ok()) {
      return Fail(status);
    }
    micros.push_back(SecondsSince(start) * 1e6);
  }
  std::sort(micros.begin(), micros.end());
  std::printf("%.0f %.0f\n", micros[micros.size() / 2], micros.back());
  return 0;
}

int Main(const std::vector<std::string>& args) {
  auto number = [&](size_t i, double fallback) {
    return i < args.size() ? std::atof(args[i].c_str()) : fallback;
  };
  auto size = [&](size_t i, double fallback) {
    return static_cast<size_t>(std::max(1.0, number(i, fallback)));
  };
  if (args.size() < 2) {
    std::fprintf(stderr, "end_to_end_client: usage: end_to_end_client rate|idle ADDRESS ...\n");
    return 2;
  }
  auto client = Client::Connect(ClientOptions(args[1]));
  if (!client.ok()) return Fail(client.status());
  const std::string durability = args.size() > 2 ? args[2] : "synced";
  if (args[0] == "idle") {
    return RunIdle(**client, durability, static_cast<int64_t>(size(3, 20)),
                   static_cast<int64_t>(size(4, 1'050)));
  }
  return RunRate(**client, durability, size(3, 1'000), size(4, 50'000), number(5, 4), size(6, 100));
}

}  // namespace
}  // namespace treadle

int main(int argc, char** argv) {
  return treadle::Main(std::vector<std::string>(argv + 1, argv + argc));
}
