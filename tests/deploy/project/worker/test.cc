#include <iostream>

#include "client/client.h"
#include <treadle/executor.h>
#include <treadle/testing.h>

#include "worker/worker.h"

int main() {
  auto broker = treadle::testing::LocalBroker::Start();
  if (!broker.ok()) return std::cerr << broker.status() << "\n", 1;
  treadle::testing::LocalWorker worker(**broker, "default");
  worker->Handle(kGreet, [](treadle::TaskContext&, std::string name, int times) {
    return Greeting(name, times);
  });
  worker.Start();
  treadle::Executor executor((*broker)->client(), treadle::ExecutorOptions("default"));
  const auto greeting = executor.Submit(kGreet, "Ada", 2).Result();
  return greeting.ok() && *greeting == "Hello, Ada, Ada" ? 0 : 1;
}
