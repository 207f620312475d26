// Python's threading: three workers that sleep a second each take one second together.
//   threading_sleep [BROKER]
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "client/examples/worker_here.h"

#include "treadle/treadle.h"

namespace {

constexpr treadle::TaskType<void(std::string, double)> kSleep{"example.sleep"};
constexpr char kQueue[] = "example.threading";

void AddSleep(WorkerHere& worker, const std::string& worker_name) {
  worker->Handle(kSleep, [worker_name](treadle::TaskContext& context, std::string who, double s) {
    std::printf("%s: %s sleeps for %.1f s\n", worker_name.c_str(), who.c_str(), s);
    context.SleepFor(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(s)));
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string broker = argc > 1 ? argv[1] : "127.0.0.1:7733";
  auto client = treadle::Client::Connect(treadle::ClientOptions(broker));
  if (!client.ok()) {
    std::cerr << client.status() << std::endl;
    return EXIT_FAILURE;
  }
  std::vector<std::unique_ptr<WorkerHere>> workers;
  for (const char* name : {"Weft", "Warp", "Shuttle"}) {
    workers.push_back(std::make_unique<WorkerHere>(broker, kQueue, name, 1));
    AddSleep(*workers.back(), name);
    workers.back()->Start();
  }

  const treadle::Executor executor(**client, treadle::ExecutorOptions(kQueue));
  const Stopwatch alone;
  treadle::Thread one(executor, kSleep, "one", 1.0);
  absl::Status status = one.Start();
  status.Update(one.Join());
  const double one_seconds = alone.Seconds();

  const Stopwatch together;
  treadle::Thread a(executor, kSleep, "a", 1.0);
  treadle::Thread b(executor, kSleep, "b", 1.0);
  treadle::Thread c(executor, kSleep, "c", 1.0);
  for (treadle::Thread* thread : {&a, &b, &c}) status.Update(thread->Start());
  for (treadle::Thread* thread : {&a, &b, &c}) status.Update(thread->Join());
  const double three_seconds = together.Seconds();
  if (!status.ok()) {
    std::cerr << status << std::endl;
    return EXIT_FAILURE;
  }
  std::printf("one sleep took %.2f s, three together %.2f s: %.2f times as long\n", one_seconds,
              three_seconds, three_seconds / one_seconds);
  return EXIT_SUCCESS;
}
