#include "worker/pool/handler_meter.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace treadle::worker {
namespace {

int64_t ClockNs(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// How long this thread has waited for a CPU, so that a handler that computes is seen to on a busy
// machine too. 0: the system does not say.
int64_t RunDelayNs() {
  const int file = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[96];
  const ssize_t bytes = ::read(file, text, sizeof(text) - 1);
  ::close(file);
  if (bytes <= 0) return 0;
  text[bytes] = '\0';
  long long ran = 0, delayed = 0;
  return std::sscanf(text, "%lld %lld", &ran, &delayed) == 2 ? delayed : 0;
}

}  // namespace

bool HandlerMeter::Begin() {
  const int64_t before = runs_.fetch_add(1, std::memory_order_relaxed);
  return before < kFirstRuns || before % kLaterEvery == 0;
}

void HandlerMeter::Add(const RunTimes& times) {
  cpu_ns_.fetch_add(times.cpu_ns, std::memory_order_relaxed);
  wall_ns_.fetch_add(times.wall_ns, std::memory_order_relaxed);
  measured_.fetch_add(1, std::memory_order_release);
}

RunTimes HandlerMeter::times() const {
  RunTimes times;
  times.cpu_ns = cpu_ns_.load(std::memory_order_relaxed);
  times.wall_ns = wall_ns_.load(std::memory_order_relaxed);
  return times;
}

RunStopwatch::RunStopwatch(Of of) : of_(of), begin_(Now()) {}

RunTimes RunStopwatch::Now() const {
  RunTimes now;
  now.wall_ns = ClockNs(CLOCK_MONOTONIC) - RunDelayNs();
  now.cpu_ns = ClockNs(of_ == Of::kThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID);
  return now;
}

RunTimes RunStopwatch::Elapsed() const {
  const RunTimes now = Now();
  RunTimes elapsed;
  elapsed.cpu_ns = now.cpu_ns - begin_.cpu_ns;
  elapsed.wall_ns = std::max(now.wall_ns - begin_.wall_ns, elapsed.cpu_ns > 0 ? int64_t{1} : 0);
  return elapsed;
}

}  // namespace treadle::worker
