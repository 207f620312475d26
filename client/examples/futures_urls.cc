// Python's concurrent.futures: the status of each of a list of URLs, through an executor's map.
//   futures_urls [BROKER]
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <tuple>
#include <vector>

#include "client/examples/fetch.h"
#include "client/examples/http_server_here.h"
#include "client/examples/worker_here.h"

#include "treadle/treadle.h"

namespace {

constexpr char kQueue[] = "example.futures";

}  // namespace

int main(int argc, char** argv) {
  const std::string broker = argc > 1 ? argv[1] : "127.0.0.1:7733";
  auto client = treadle::Client::Connect(treadle::ClientOptions(broker));
  if (!client.ok()) {
    std::cerr << client.status() << std::endl;
    return EXIT_FAILURE;
  }
  HttpServerHere news(std::chrono::milliseconds(200), 8);
  HttpServerHere weather(std::chrono::milliseconds(200), 8);
  WorkerHere worker(broker, kQueue, "Fetcher", 5);
  worker->Handle(kFetch, [](treadle::TaskContext&, const std::string& host,
                            const std::string& path) { return Fetch(host, path); });
  worker.Start();

  const std::vector<std::tuple<std::string, std::string>> urls = {{news.host(), "/"},
                                                                  {news.host(), "/sports"},
                                                                  {weather.host(), "/today"},
                                                                  {news.host(), "/missing"},
                                                                  {"127.0.0.1:1", "/nobody"}};
  treadle::Executor executor(**client, treadle::ExecutorOptions(kQueue));
  const Stopwatch one;
  const absl::StatusOr<int> first = executor.Submit(kFetch, news.host(), "/").Result();
  const double one_seconds = one.Seconds();
  if (!first.ok()) {
    std::cerr << first.status() << std::endl;
    return EXIT_FAILURE;
  }

  const Stopwatch all;
  auto url = urls.begin();
  for (absl::StatusOr<int>& status : executor.Map(kFetch, urls)) {
    const auto& [host, path] = *url++;
    if (status.ok()) {
      std::printf("%-10s %d\n", path.c_str(), *status);
    } else {
      std::printf("%-10s failed: %s\n", path.c_str(),
                  treadle::GetTaskError(status.status())->type.c_str());
    }
  }
  const double all_seconds = all.Seconds();
  std::printf("one page took %.2f s, %zu together %.2f s: %.2f times as long\n", one_seconds,
              urls.size(), all_seconds, all_seconds / one_seconds);
  executor.Shutdown();
  return EXIT_SUCCESS;
}
