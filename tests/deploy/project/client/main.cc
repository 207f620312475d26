#include <iostream>

#include "client/client.h"
#include <treadle/treadle.h>

int main(int, char** argv) {
  auto client = treadle::Client::Connect(treadle::ClientOptions(argv[1]));
  if (!client.ok()) return std::cerr << client.status() << "\n", 1;
  treadle::Executor executor(**client, treadle::ExecutorOptions("default"));
  const auto greeting = executor.Submit(kGreet, "Ada", 2).Result();
  if (!greeting.ok()) return std::cerr << greeting.status() << "\n", 1;
  std::cout << *greeting << "\n";
}
