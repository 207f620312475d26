// Submits ten tasks and prints their results as they come: sum_squares_client [BROKER]
#include <cstdlib>
#include <iostream>
#include <vector>

#include "client/examples/sum_squares.h"

#include "treadle/treadle.h"

int main(int argc, char** argv) {
  treadle::ClientOptions options(argc > 1 ? argv[1] : "");
  auto client = treadle::Client::Connect(options);
  if (!client.ok()) {
    std::cerr << client.status() << std::endl;
    return EXIT_FAILURE;
  }
  treadle::Executor executor(*client, "default");
  std::vector<treadle::Future<int64_t>> futures;
  for (int64_t n = 1; n <= 10; ++n) futures.push_back(executor.Submit(kSumSquares, n * 1'000));

  for (auto& done : treadle::AsCompleted(futures)) {
    absl::StatusOr<int64_t> sum = done.Result();
    if (!sum.ok()) {
      std::cerr << sum.status() << std::endl;
      return EXIT_FAILURE;
    }
    std::cout << "task " << done.Id() << ": " << *sum << std::endl;
  }
  return EXIT_SUCCESS;
}
