// Python's asyncio: a thousand fetches, awaited together on one thread.
//   asyncio_fetches [BROKER]
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "client/examples/fetch.h"
#include "client/examples/http_server_here.h"
#include "client/examples/worker_here.h"

#include "treadle/asyncio.h"
#include "treadle/treadle.h"

namespace {

constexpr char kQueue[] = "example.asyncio";
constexpr int kFetches = 1'000;

asio::awaitable<void> FetchAll(treadle::Executor executor, std::string host, int* exit_code) {
  const Stopwatch one;
  const treadle::Future<int> first = executor.Submit(kFetch, host, "/first");
  const absl::StatusOr<int> status = co_await treadle::asyncio::Await(first);
  const double one_seconds = one.Seconds();

  const Stopwatch all;
  std::vector<treadle::Future<int>> fetches;
  for (int i = 0; i < kFetches; ++i) {
    fetches.push_back(executor.Submit(kFetch, host, "/page/" + std::to_string(i)));
  }
  const absl::StatusOr<std::vector<int>> statuses = co_await treadle::asyncio::Gather(fetches);
  const double all_seconds = all.Seconds();
  if (!status.ok() || !statuses.ok()) {
    std::cerr << (status.ok() ? statuses.status() : status.status()) << std::endl;
    co_return;
  }
  int good = 0;
  for (const int code : *statuses) good += code == 200 ? 1 : 0;
  std::printf("%d of %d fetches answered 200\n", good, kFetches);
  std::printf("one took %.3f s, %d awaited together on one thread %.3f s: %.1f times as long\n",
              one_seconds, kFetches, all_seconds, all_seconds / one_seconds);
  *exit_code = EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string broker = argc > 1 ? argv[1] : "127.0.0.1:7733";
  auto client = treadle::Client::Connect(treadle::ClientOptions(broker));
  if (!client.ok()) {
    std::cerr << client.status() << std::endl;
    return EXIT_FAILURE;
  }
  HttpServerHere server(std::chrono::milliseconds(50), 64);
  WorkerHere worker(broker, kQueue, "Fetcher", 64);
  worker->Handle(kFetch, [](treadle::TaskContext&, const std::string& host,
                            const std::string& path) { return Fetch(host, path); });
  worker.Start();

  int exit_code = EXIT_FAILURE;
  const treadle::Executor executor(**client, treadle::ExecutorOptions(kQueue));
  asio::io_context loop;
  asio::co_spawn(loop, FetchAll(executor, server.host(), &exit_code), asio::detached);
  loop.run();
  return exit_code;
}
