// The client's and the worker's side of tests/bench/coroutines.sh.
//
//   coroutine_bench worker ADDRESS
//   coroutine_bench client ADDRESS DURABILITY TASKS
//       submits tasks that wait one second each, all at once, and prints the seconds until all of
//       them have ended
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "treadle/coroutine.h"
#include "treadle/treadle.h"
#include "treadle/worker.h"

namespace treadle {
namespace {

constexpr TaskType<void()> kWaitOneSecond{"wait_one_second"};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "coroutine_bench: %s\n", status.ToString().c_str());
  return 1;
}

asio::awaitable<void> WaitOneSecond(TaskContext&) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::seconds(1));
  co_await timer.async_wait(asio::use_awaitable);
}

int RunWorker(const std::string& address) {
  Worker worker{WorkerOptions(address)};
  worker.Handle(kWaitOneSecond, WaitOneSecond);
  const absl::Status status = worker.Run();
  return status.ok() ? 0 : Fail(status);
}

int RunClient(const std::string& address, const std::string& durability, int tasks) {
  auto client = Client::Connect(ClientOptions(address));
  if (!client.ok()) return Fail(client.status());
  ExecutorOptions options("default");
  options.submit.durability = durability == "memory" ? Durability::kMemory : Durability::kSynced;
  const Executor executor(**client, options);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Future<void>> futures;
  for (int i = 0; i < tasks; ++i) futures.push_back(executor.Submit(kWaitOneSecond));
  for (const Future<void>& future : futures) {
    if (absl::Status status = future.Wait(); !status.ok()) return Fail(status);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%.2f\n", took.count());
  return 0;
}

int Main(const std::vector<std::string>& args) {
  if (args.size() == 2 && args[0] == "worker") return RunWorker(args[1]);
  if (args.size() == 4 && args[0] == "client") {
    return RunClient(args[1], args[2], std::atoi(args[3].c_str()));
  }
  std::fprintf(stderr, "usage: coroutine_bench worker|client ADDRESS [DURABILITY TASKS]\n");
  return 2;
}

}  // namespace
}  // namespace treadle

int main(int argc, char** argv) {
  return treadle::Main(std::vector<std::string>(argv + 1, argv + argc));
}
