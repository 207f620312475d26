#include "treadle/lock.h"

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/no_threads.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/with_broker.h"
#include "treadle/v1/worker_service.grpc.pb.h"

// Locks, semaphores and events, shared by several clients of a real broker.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::ConnectTo;
using test::kPatience;
using test::TcpProxy;

class LockTest : public test::WithBroker {
 protected:
  std::unique_ptr<Client> other_ = ConnectTo(broker_->address());
};

TEST_F(LockTest, OneHolderAtATime) {
  absl::StatusOr<Lock> lock = Lock::Open(*client_, "door");
  absl::StatusOr<Lock> others = Lock::Open(*other_, "door");
  ASSERT_TRUE(lock.ok() && others.ok());
  EXPECT_FALSE(*others->Locked());
  absl::StatusOr<Permit> permit = lock->Acquire();
  ASSERT_TRUE(permit.ok()) << permit.status();
  EXPECT_TRUE(*others->Locked());
  EXPECT_EQ(others->Acquire(false).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(others->Acquire(true, 20ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  auto waiting = std::async(std::launch::async, [&] { return others->Acquire(); });
  const uint64_t first = permit->token();
  EXPECT_TRUE(permit->Release().ok());
  EXPECT_EQ(permit->Release().code(), absl::StatusCode::kFailedPrecondition);
  absl::StatusOr<Permit> second = waiting.get();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_GT(second->token(), first);
  EXPECT_FALSE(second->lost().stop_requested());
}

TEST_F(LockTest, APermitIsReleasedAtTheEndOfItsScope) {
  absl::StatusOr<Lock> lock = Lock::Open(*client_, "door");
  { const absl::StatusOr<Permit> permit = lock->Acquire(); }
  EXPECT_TRUE(lock->Acquire(false).ok());
}

TEST_F(LockTest, CountersUnderALockDoNotLoseUpdates) {
  int counter = 0;
  std::vector<std::thread> threads;
  for (Client* client : {client_.get(), other_.get()}) {
    threads.emplace_back([&counter, client] {
      absl::StatusOr<Lock> lock = Lock::Open(*client, "counter");
      for (int i = 0; i < 50; ++i) {
        const absl::StatusOr<Permit> permit = lock->Acquire();
        ASSERT_TRUE(permit.ok()) << permit.status();
        const int before = counter;
        std::this_thread::yield();
        counter = before + 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 100);
}

TEST_F(LockTest, AHolderThatIsCutOffLosesTheLockAndIsFencedOff) {
  TcpProxy proxy(test::PortOf(*broker_));
  const std::unique_ptr<Client> remote = ConnectTo(proxy.address());
  LockOptions options;
  options.lease = 1s;
  absl::StatusOr<Lock> lock = Lock::Open(*remote, "door", options);
  ASSERT_TRUE(lock.ok()) << lock.status();
  absl::StatusOr<Permit> permit = lock->Acquire();
  ASSERT_TRUE(permit.ok()) << permit.status();
  std::promise<void> told;
  const std::stop_callback on_lost(permit->lost(), [&told] { told.set_value(); });
  proxy.Freeze();
  absl::StatusOr<Lock> others = Lock::Open(*client_, "door");
  absl::StatusOr<Permit> next = others->Acquire(true, kPatience);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_GT(next->token(), permit->token());
  told.get_future().wait();
  EXPECT_EQ(permit->Release().code(), absl::StatusCode::kAborted);
}

TEST_F(LockTest, ACallbackThatBlocksHoldsUpNoRenewal) {
  LockOptions options;
  options.lease = 1s;
  absl::StatusOr<Lock> lost = Lock::Open(*client_, "lost", options);
  absl::StatusOr<Lock> kept = Lock::Open(*client_, "kept", options);
  ASSERT_TRUE(lost.ok() && kept.ok());
  absl::StatusOr<Permit> lost_permit = lost->Acquire();
  absl::StatusOr<Permit> kept_permit = kept->Acquire();
  ASSERT_TRUE(lost_permit.ok() && kept_permit.ok());
  std::promise<void> told;
  std::promise<void> go_on;
  const std::stop_callback on_lost(lost_permit->lost(), [&] {
    told.set_value();
    go_on.get_future().wait();
  });
  // Someone else hands it back.
  v1::CompleteRequest request;
  v1::AttemptReport& report = *request.add_reports();
  report.set_token(lost_permit->token());
  report.set_end(v1::ATTEMPT_END_RELEASED);
  grpc::ClientContext context;
  v1::CompleteResponse response;
  ASSERT_TRUE(
      v1::WorkerService::NewStub(other_->channel())->Complete(&context, request, &response).ok());
  told.get_future().wait();
  // Nobody gets the other for longer than its lease.
  absl::StatusOr<Lock> others = Lock::Open(*other_, "kept", options);
  EXPECT_EQ(others->Acquire(true, 3s).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(kept_permit->lost().stop_requested());
  go_on.set_value();
  EXPECT_TRUE(kept_permit->Release().ok());
}

TEST_F(LockTest, TwoThreadsMayShutDownAtOnce) {
  for (int round = 0; round < 20; ++round) {
    const std::unique_ptr<Client> client = ConnectTo(broker_->address());
    absl::StatusOr<Lock> lock = Lock::Open(*client, "door");
    absl::StatusOr<Permit> permit = lock->Acquire(true, kPatience);
    ASSERT_TRUE(permit.ok()) << permit.status();
    std::thread other([&] { client->Shutdown(); });
    client->Shutdown();
    other.join();
    EXPECT_TRUE(permit->lost().stop_requested());
  }
}

TEST_F(LockTest, ALeaseThatCouldNotBeKeptIsNotTaken) {
  absl::StatusOr<Lock> lock = Lock::Open(*client_, "door");
  ASSERT_TRUE(lock.ok()) << lock.status();
  {
    const test::NoThreads none_left;
    EXPECT_EQ(lock->Acquire().status().code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_TRUE(lock->Acquire().ok());
}

TEST_F(LockTest, ASemaphoreHasSoManyPermits) {
  absl::StatusOr<Semaphore> semaphore = Semaphore::Open(*client_, "seats", 2);
  absl::StatusOr<Semaphore> others = Semaphore::Open(*other_, "seats", 2);
  ASSERT_TRUE(semaphore.ok() && others.ok());
  EXPECT_EQ(*semaphore->Free(), 2);
  absl::StatusOr<Permit> one = semaphore->Acquire();
  absl::StatusOr<Permit> two = others->Acquire();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(*semaphore->Free(), 0);
  EXPECT_EQ(others->Acquire(false).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(one->Release().ok());
  EXPECT_TRUE(others->Acquire(true, kPatience).ok());
  EXPECT_EQ(Semaphore::Open(*other_, "seats", 3).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Semaphore::Open(*other_, "none", 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// The broker's own bounds may have been others when the queue was made.
TEST_F(LockTest, WhatElseTheQueueWasMadeWithIsNoReasonToRefuseIt) {
  v1::QueueConfig config;
  config.set_max_bytes(1 << 20);
  for (const auto& [name, tasks] : {std::pair("seats", 2), std::pair("flag", 1)}) {
    config.set_name(name);
    config.set_max_tasks(tasks);
    ASSERT_TRUE(client_->CreateQueue(config).ok());
  }
  const absl::StatusOr<Semaphore> semaphore = Semaphore::Open(*client_, "seats", 2);
  EXPECT_TRUE(semaphore.ok()) << semaphore.status();
  const absl::StatusOr<Event> event = Event::Open(*client_, "flag");
  EXPECT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(Semaphore::Open(*client_, "seats", 3).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(LockTest, PermitsThatWereTakenAwayAreToldBeforeAnyoneWaitsForThem) {
  absl::StatusOr<Semaphore> semaphore = Semaphore::Open(*client_, "seats", 2);
  ASSERT_TRUE(semaphore.ok()) << semaphore.status();
  ASSERT_TRUE(client_->PurgeQueue("seats").ok());
  const absl::Status purged = Semaphore::Open(*other_, "seats", 2).status();
  EXPECT_EQ(purged.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(purged.message()),
              ::testing::HasSubstr("'seats' has 0 of its 2 permits"));
}

TEST_F(LockTest, AnEventWakesAllWhoWait) {
  absl::StatusOr<Event> event = Event::Open(*client_, "go");
  absl::StatusOr<Event> others = Event::Open(*other_, "go");
  ASSERT_TRUE(event.ok() && others.ok());
  EXPECT_FALSE(*event->IsSet());
  EXPECT_EQ(event->Wait(20ms).code(), absl::StatusCode::kDeadlineExceeded);
  std::vector<std::future<absl::Status>> waiting;
  for (int i = 0; i < 6; ++i) {
    Event& from = i % 2 == 0 ? *event : *others;
    waiting.push_back(std::async(std::launch::async, [&from] { return from.Wait(); }));
  }
  EXPECT_TRUE(event->Set().ok());
  for (std::future<absl::Status>& wait : waiting) EXPECT_TRUE(wait.get().ok());
  EXPECT_TRUE(*others->IsSet());
  EXPECT_TRUE(others->Set().ok());
  EXPECT_TRUE(event->Clear().ok());
  EXPECT_FALSE(*others->IsSet());
  EXPECT_EQ(others->Wait(20ms).code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace treadle
