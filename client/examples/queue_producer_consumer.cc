// Python's queue: a producer and two consumers, each ended by a sentinel.
//   queue_producer_consumer [BROKER]
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "client/examples/worker_here.h"

#include "treadle/treadle.h"

namespace {

constexpr char kSentinel[] = "";
constexpr int kItems = 20;
constexpr std::chrono::milliseconds kWork(100);

// In earnest a program of its own, with a client of its own.
void Consume(const std::string& broker, const std::string& queue_name, int number) {
  auto client = treadle::Client::Connect(treadle::ClientOptions(broker));
  if (!client.ok()) return;
  auto queue = treadle::Queue<std::string>::Open(**client, queue_name);
  if (!queue.ok()) return;
  while (true) {
    const absl::StatusOr<std::string> item = queue->Get();
    if (!item.ok() || *item == kSentinel) {
      queue->TaskDone().IgnoreError();
      return;
    }
    std::this_thread::sleep_for(kWork);
    std::printf("consumer %d finished %s\n", number, item->c_str());
    queue->TaskDone().IgnoreError();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string broker = argc > 1 ? argv[1] : "127.0.0.1:7733";
  auto client = treadle::Client::Connect(treadle::ClientOptions(broker));
  if (!client.ok()) {
    std::cerr << client.status() << std::endl;
    return EXIT_FAILURE;
  }
  const std::string name = "example.queue." + std::to_string(getpid());
  auto queue = treadle::Queue<std::string>::Open(**client, name, treadle::QueueOptions(5));
  if (!queue.ok()) {
    std::cerr << queue.status() << std::endl;
    return EXIT_FAILURE;
  }

  const Stopwatch stopwatch;
  std::vector<std::thread> consumers;
  for (int number = 1; number <= 2; ++number) consumers.emplace_back(Consume, broker, name, number);
  absl::Status status;
  for (int i = 0; i < kItems; ++i) status.Update(queue->Put("item " + std::to_string(i)));
  std::printf("all %d items are in the queue, which never held more than 5\n", kItems);
  for (size_t i = 0; i < consumers.size(); ++i) status.Update(queue->Put(kSentinel));
  status.Update(queue->Join());
  const double seconds = stopwatch.Seconds();
  for (std::thread& consumer : consumers) consumer.join();
  status.Update((*client)->DeleteQueue(name));
  if (!status.ok()) {
    std::cerr << status << std::endl;
    return EXIT_FAILURE;
  }
  const double alone = kItems * std::chrono::duration<double>(kWork).count();
  std::printf("one consumer works for %.2f s, two took %.2f s: %.2f times as long\n", alone,
              seconds, seconds / alone);
  return EXIT_SUCCESS;
}
