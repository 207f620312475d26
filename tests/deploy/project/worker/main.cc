#include <csignal>
#include <iostream>

#include "client/client.h"
#include <treadle/worker.h>

#include "worker/worker.h"

int main(int, char** argv) {
  static treadle::Worker worker{treadle::WorkerOptions(argv[1])};
  worker.Handle(kGreet, [](treadle::TaskContext&, std::string name, int times) {
    return Greeting(name, times);
  });
  std::signal(SIGTERM, [](int) { worker.Stop(); });
  const absl::Status status = worker.Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
