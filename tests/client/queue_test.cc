#include "treadle/queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/local_server.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/with_broker.h"
#include "treadle/v1/worker_service.grpc.pb.h"

// Queues as Python's queue module has them, shared by several clients of a real broker.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::ConnectTo;
using test::kPatience;
using test::LocalServer;
using test::LocalServerOptions;
using test::TemporaryFolder;
using ::testing::ElementsAre;

template <typename Q>
Q OpenOrDie(Client& client, const std::string& name, QueueOptions options = QueueOptions()) {
  absl::StatusOr<Q> queue = Q::Open(client, name, std::move(options));
  EXPECT_TRUE(queue.ok()) << queue.status();
  return *std::move(queue);
}

class QueueTest : public test::WithBroker {
 protected:
  // Until `count` submitters wait for room.
  void AwaitWaiting(const std::string& name, int64_t count) {
    while (client_->GetQueue(name)->stats().waiting_submitters() != count) {
      std::this_thread::yield();
    }
  }

  // Another process, as far as the broker can tell.
  std::unique_ptr<Client> other_ = ConnectTo(broker_->address());
};

TEST_F(QueueTest, WhatOneClientPutsAnotherGetsInOrder) {
  auto queue = OpenOrDie<Queue<std::string>>(*client_, "lines");
  auto others = OpenOrDie<Queue<std::string>>(*other_, "lines");
  EXPECT_TRUE(*others.Empty());
  for (const char* line : {"one", "two", "three"}) ASSERT_TRUE(queue.Put(line).ok());
  EXPECT_EQ(*others.Size(), 3);
  EXPECT_FALSE(*others.Empty());
  EXPECT_EQ(*others.Get(), "one");
  EXPECT_EQ(*others.GetNowait(), "two");
  EXPECT_EQ(*others.Size(), 1);
  EXPECT_EQ(*queue.Get(), "three");
}

TEST_F(QueueTest, LifoGivesTheNewestFirst) {
  auto queue = OpenOrDie<LifoQueue<int>>(*client_, "stack");
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(queue.Put(i).ok());
  EXPECT_EQ(*queue.Get(), 3);
  EXPECT_EQ(*queue.Get(), 2);
  EXPECT_EQ(*queue.Get(), 1);
}

TEST_F(QueueTest, PriorityGivesTheLeastNumberFirst) {
  auto queue = OpenOrDie<PriorityQueue<std::string>>(*client_, "todo");
  ASSERT_TRUE(queue.Put({2, "later"}).ok());
  ASSERT_TRUE(queue.Put({-1, "first"}).ok());
  ASSERT_TRUE(queue.PutNowait({2, "last"}).ok());
  using Item = std::pair<int32_t, std::string>;
  EXPECT_EQ(*queue.Get(), Item(-1, "first"));
  EXPECT_EQ(*queue.Get(), Item(2, "later"));
  EXPECT_EQ(*queue.GetNowait(), Item(2, "last"));
  EXPECT_TRUE(*queue.Empty());
  EXPECT_FALSE(*queue.Full());
  EXPECT_TRUE(queue.TaskDone().ok());
  EXPECT_EQ(queue.Put({std::numeric_limits<int32_t>::min(), ""}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(QueueTest, ASimpleQueuesItemIsDoneWhenItIsGot) {
  absl::StatusOr<SimpleQueue<int>> queue = SimpleQueue<int>::Open(*client_, "simple");
  ASSERT_TRUE(queue.ok());
  ASSERT_TRUE(queue->Put(1).ok());
  ASSERT_TRUE(queue->PutNowait(2).ok());
  EXPECT_EQ(*queue->Size(), 2);
  EXPECT_EQ(*queue->Get(), 1);
  EXPECT_EQ(*queue->GetNowait(), 2);
  EXPECT_TRUE(*queue->Empty());
  EXPECT_EQ(client_->GetQueue("simple")->stats().succeeded_total(), 2);
}

TEST_F(QueueTest, AnEmptyQueueSaysEmptyInTime) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "lines");
  EXPECT_TRUE(IsEmpty(queue.GetNowait().status()));
  EXPECT_TRUE(IsEmpty(queue.Get(true, 30ms).status()));
}

TEST_F(QueueTest, AFullQueueSaysFullInTime) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "small", QueueOptions(1));
  ASSERT_TRUE(queue.PutNowait(1).ok());
  EXPECT_TRUE(*queue.Full());
  EXPECT_TRUE(IsFull(queue.PutNowait(2)));
  EXPECT_TRUE(IsFull(queue.Put(2, true, 30ms)));
  // What was got does not count.
  EXPECT_EQ(*queue.Get(), 1);
  EXPECT_FALSE(*queue.Full());
  EXPECT_TRUE(queue.PutNowait(2).ok());
}

TEST_F(QueueTest, ItIsOneQueueHoweverOftenItIsOpened) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "small", QueueOptions(1));
  auto again = OpenOrDie<Queue<int>>(*other_, "small", QueueOptions(1));
  auto as_it_is = OpenOrDie<Queue<int>>(*other_, "small");
  ASSERT_TRUE(queue.Put(1).ok());
  EXPECT_TRUE(IsFull(as_it_is.PutNowait(2)));
  EXPECT_EQ(Queue<int>::Open(*other_, "small", QueueOptions(2)).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(LifoQueue<int>::Open(*other_, "small").status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(QueueTest, WhatElseTheQueueWasMadeWithIsNoReasonToRefuseIt) {
  v1::QueueConfig config;
  config.set_name("small");
  config.set_max_tasks(1);
  config.set_max_bytes(1 << 20);
  ASSERT_TRUE(client_->CreateQueue(config).ok());
  OpenOrDie<Queue<int>>(*other_, "small", QueueOptions(1));
}

TEST_F(QueueTest, AJoinOutlastsABrokerThatHangs) {
  test::TcpProxy proxy(test::PortOf(*broker_));
  ClientOptions options(proxy.address());
  options.connect_timeout = kPatience;
  options.call_timeout = 20ms;
  absl::StatusOr<std::unique_ptr<Client>> far = Client::Connect(options);
  ASSERT_TRUE(far.ok()) << far.status();
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  ASSERT_TRUE(queue.Put(1).ok());
  EXPECT_EQ(*queue.Get(), 1);
  absl::StatusOr<Queue<int>> fars = absl::UnavailableError("not yet");
  while (!fars.ok()) fars = Queue<int>::Open(**far, "work");  // 20 ms may be too short here
  proxy.Freeze();
  auto joined = std::async(std::launch::async, [&] { return fars->Join(kPatience); });
  EXPECT_EQ(joined.wait_for(300ms), std::future_status::timeout);
  EXPECT_EQ(fars->Join(1ms).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(queue.TaskDone().ok());
  proxy.Thaw();
  const absl::Status status = joined.get();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(QueueTest, ProducersWhoWaitAreServedInTheOrderTheyCame) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "small", QueueOptions(1));
  auto others = OpenOrDie<Queue<int>>(*other_, "small");
  ASSERT_TRUE(queue.Put(0).ok());
  std::vector<std::future<absl::Status>> puts;
  for (int i = 1; i <= 6; ++i) {
    Queue<int>& from = i % 2 == 0 ? queue : others;
    puts.push_back(std::async(std::launch::async, [&from, i] { return from.Put(i); }));
    AwaitWaiting("small", i);
  }
  for (int i = 0; i <= 6; ++i) EXPECT_EQ(*queue.Get(), i);
  for (std::future<absl::Status>& put : puts) EXPECT_TRUE(put.get().ok());
}

TEST_F(QueueTest, ManyProducersAndConsumersPassEveryItemOnce) {
  constexpr int kEach = 100;
  auto queue = OpenOrDie<Queue<int>>(*client_, "work", QueueOptions(10));
  auto others = OpenOrDie<Queue<int>>(*other_, "work");
  std::mutex mutex;
  std::multiset<int> got;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    Queue<int>& here = t % 2 == 0 ? queue : others;
    threads.emplace_back([&here, t] {
      for (int i = 0; i < kEach; ++i) ASSERT_TRUE(here.Put(t * kEach + i).ok());
    });
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const absl::StatusOr<int> item = here.Get();
        ASSERT_TRUE(item.ok()) << item.status();
        {
          std::lock_guard lock(mutex);
          got.insert(*item);
        }
        ASSERT_TRUE(here.TaskDone().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got.size(), 4u * kEach);
  EXPECT_EQ(std::set<int>(got.begin(), got.end()).size(), 4u * kEach);
  EXPECT_TRUE(queue.Join(kPatience).ok());
}

TEST_F(QueueTest, JoinWaitsForItemsThatOthersHold) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  auto others = OpenOrDie<Queue<int>>(*other_, "work");
  EXPECT_TRUE(queue.Join().ok());
  ASSERT_TRUE(queue.Put(1).ok());
  EXPECT_EQ(queue.Join(5ms).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*others.Get(), 1);
  EXPECT_EQ(queue.Join(5ms).code(), absl::StatusCode::kDeadlineExceeded);
  auto joined = std::async(std::launch::async, [&] { return queue.Join(kPatience); });
  EXPECT_TRUE(others.TaskDone().ok());
  EXPECT_TRUE(joined.get().ok());
}

TEST_F(QueueTest, ATakenItemKnowsItself) {
  auto queue = *Queue<std::string>::Open(*client_, "taken");
  ASSERT_TRUE(queue.Put("a").ok() && queue.Put("b").ok() && queue.Put("c").ok());
  absl::StatusOr<QueueItem<std::string>> a = queue.Take(true, kPatience);
  absl::StatusOr<std::string> b = queue.Get(true, kPatience);
  {
    const absl::StatusOr<QueueItem<std::string>> dropped = queue.Take(true, kPatience);
    ASSERT_TRUE(dropped.ok()) << dropped.status();
    EXPECT_EQ(**dropped, "c");
  }
  absl::StatusOr<QueueItem<std::string>> c = queue.Take(true, kPatience);
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  EXPECT_EQ(**a, "a");
  EXPECT_EQ(*b, "b");
  EXPECT_EQ(**c, "c") << "it came back";
  EXPECT_EQ(queue.TaskDone(), absl::OkStatus()) << "about b";
  EXPECT_TRUE(absl::IsFailedPrecondition(queue.TaskDone())) << "taken items are not its own";
  EXPECT_EQ(c->Done(), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(c->Done()));
  a->GiveBack();
  absl::StatusOr<QueueItem<std::string>> again = queue.Take(true, kPatience);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(**again, "a");
  EXPECT_EQ(again->Done(), absl::OkStatus());
  EXPECT_EQ(queue.Join(kPatience), absl::OkStatus());
}

TEST_F(QueueTest, TaskDoneOnceForEachItem) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  EXPECT_EQ(queue.TaskDone().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(queue.Put(1).ok());
  ASSERT_TRUE(queue.Get().ok());
  EXPECT_TRUE(queue.TaskDone().ok());
  EXPECT_EQ(queue.TaskDone().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(QueueTest, AnItemOfAConsumerThatLeavesComesBackInItsPlace) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  for (int i = 1; i <= 2; ++i) ASSERT_TRUE(queue.Put(i).ok());
  {
    auto others = OpenOrDie<Queue<int>>(*other_, "work");
    EXPECT_EQ(*others.Get(), 1);
  }
  EXPECT_EQ(*queue.Get(), 1);
  EXPECT_EQ(*queue.Get(), 2);
}

TEST_F(QueueTest, AnItemOfALostConsumerComesBackAfterItsLease) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  ASSERT_TRUE(queue.Put(7).ok());
  // A consumer that gets and is never heard of again.
  grpc::ClientContext context;
  v1::LeaseRequest request;
  request.add_queues("work");
  request.set_lease_ms(1'000);
  v1::LeaseResponse response;
  ASSERT_TRUE(
      v1::WorkerService::NewStub(client_->channel())->Lease(&context, request, &response).ok());
  ASSERT_EQ(response.tasks_size(), 1);
  EXPECT_TRUE(IsEmpty(queue.GetNowait().status()));
  EXPECT_EQ(*queue.Get(true, kPatience), 7);
}

TEST_F(QueueTest, ALeaseIsRenewedWhileItsConsumerLives) {
  QueueOptions options;
  options.lease = 1s;
  auto queue = OpenOrDie<Queue<int>>(*client_, "work", options);
  ASSERT_TRUE(queue.Put(7).ok());
  ASSERT_EQ(*queue.Get(), 7);
  auto others = OpenOrDie<Queue<int>>(*other_, "work");
  EXPECT_TRUE(IsEmpty(others.Get(true, 2'500ms).status()));
  EXPECT_TRUE(queue.TaskDone().ok());
}

TEST_F(QueueTest, AfterShutdownItTakesNoMoreAndGivesWhatItHas) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "small", QueueOptions(1));
  auto others = OpenOrDie<Queue<int>>(*other_, "small");
  ASSERT_TRUE(queue.Put(1).ok());
  auto waiting = std::async(std::launch::async, [&] { return others.Put(2); });
  AwaitWaiting("small", 1);
  ASSERT_TRUE(queue.Shutdown().ok());
  EXPECT_TRUE(IsShutDown(waiting.get()));
  EXPECT_TRUE(IsShutDown(others.PutNowait(3)));
  EXPECT_EQ(*others.Get(), 1);
  EXPECT_TRUE(IsShutDown(others.GetNowait().status()));
  EXPECT_TRUE(IsShutDown(queue.Get(true, kPatience).status()));
  EXPECT_TRUE(others.TaskDone().ok());
  EXPECT_TRUE(queue.Join(kPatience).ok());
}

TEST_F(QueueTest, ShutdownWakesWhoWaitsToGet) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  auto others = OpenOrDie<Queue<int>>(*other_, "work");
  auto waiting = std::async(std::launch::async, [&] { return others.Get(); });
  ASSERT_TRUE(queue.Shutdown().ok());
  EXPECT_TRUE(IsShutDown(waiting.get().status()));
}

TEST_F(QueueTest, AnImmediateShutdownRemovesWhatWaits) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  auto others = OpenOrDie<Queue<int>>(*other_, "work");
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(queue.Put(i).ok());
  EXPECT_EQ(*others.Get(), 1);
  ASSERT_TRUE(queue.Shutdown(/*immediate=*/true).ok());
  EXPECT_TRUE(IsShutDown(queue.GetNowait().status()));
  EXPECT_EQ(queue.Join(1ms).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(others.TaskDone().ok());
  EXPECT_TRUE(queue.Join(kPatience).ok());
}

TEST_F(QueueTest, AnItemOfAnotherTypeIsGotAndRefused) {
  auto queue = OpenOrDie<Queue<std::string>>(*client_, "work");
  auto numbers = OpenOrDie<Queue<int>>(*client_, "work");
  ASSERT_TRUE(queue.Put("seven").ok());
  EXPECT_EQ(numbers.Get().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(numbers.TaskDone().ok());
}

TEST_F(QueueTest, APutThatIsNotAnsweredInTimeIsTakenBack) {
  test::TcpProxy proxy(test::PortOf(*broker_));
  const std::unique_ptr<Client> remote = ConnectTo(proxy.address());
  auto queue = OpenOrDie<Queue<int>>(*remote, "work");
  ASSERT_TRUE(queue.Put(1).ok());
  proxy.Freeze();
  // It may be there, for all that the client knows.
  EXPECT_EQ(queue.PutNowait(2).code(), absl::StatusCode::kAborted);
  proxy.Thaw();
  ASSERT_TRUE(remote->Flush(kPatience).ok());
  auto others = OpenOrDie<Queue<int>>(*client_, "work");
  EXPECT_EQ(*others.Get(), 1);
  while (*others.Size() != 0) std::this_thread::yield();
  ASSERT_TRUE(others.TaskDone().ok());
  EXPECT_TRUE(others.Join(kPatience).ok());
}

TEST_F(QueueTest, APutThatWasNeverSentSaysSo) {
  auto queue = OpenOrDie<Queue<int>>(*client_, "work");
  broker_->Stop();
  EXPECT_EQ(queue.PutNowait(1).code(), absl::StatusCode::kUnavailable);
}

TEST_F(QueueTest, ManyItemsOfAConsumerThatLeavesComeBackTogether) {
  auto others = OpenOrDie<Queue<int>>(*client_, "work");
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(others.Put(i).ok());
  {
    auto queue = OpenOrDie<Queue<int>>(*other_, "work");
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(queue.Get().ok());
    EXPECT_EQ(*others.Size(), 0);
  }
  EXPECT_EQ(*others.Size(), 50);
}

TEST_F(QueueTest, AClientThatShutsDownEndsItsWaits) {
  auto queue = OpenOrDie<Queue<int>>(*other_, "work");
  auto waiting = std::async(std::launch::async, [&] { return queue.Get(); });
  other_->Shutdown();
  EXPECT_EQ(waiting.get().status().code(), absl::StatusCode::kCancelled);
}

// A LocalServer, for its rows on the disk.
TEST(QueueOnDisk, ItemsAndLeasesOutliveTheBroker) {
  const TemporaryFolder folder;
  LocalServerOptions options;
  options.data_directory = folder.path();
  std::optional<LocalServer> server;
  server.emplace(options);
  options.listen = server->address();
  const std::unique_ptr<Client> client = ConnectTo(options.listen);
  auto queue = OpenOrDie<Queue<int>>(*client, "work");
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(queue.Put(i).ok());
  ASSERT_EQ(*queue.Get(), 1);
  ASSERT_TRUE(queue.Shutdown().ok());
  server.reset();
  server.emplace(options);
  EXPECT_EQ(*queue.Get(true, kPatience), 2);
  EXPECT_TRUE(queue.TaskDone().ok());
  EXPECT_TRUE(queue.TaskDone().ok());
  EXPECT_EQ(*queue.Get(true, kPatience), 3);
  EXPECT_TRUE(IsShutDown(queue.Put(4)));
}

}  // namespace
}  // namespace treadle
