#include "server/broker/stream_input.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// A stream's message: a report of nothing under this number, which is answered with it.
std::vector<Request> Message(CallId call, uint64_t number) {
  std::vector<Request> requests;
  requests.push_back({engine::Command(engine::EndReports{call, number}), nullptr});
  return requests;
}

class StreamInputTest : public BrokerTest {
 protected:
  StreamInputTest() { options.inbox_requests_max = 2; }

  // The numbers of the messages that the broker has taken.
  std::vector<uint64_t> Handled() {
    std::vector<uint64_t> numbers;
    for (const auto& handled : listener.Take<engine::ReportsHandled>()) {
      numbers.push_back(handled.sequence);
    }
    return numbers;
  }
  void Arrive(StreamInput& input, uint64_t number) {
    --reads;
    input.Arrived();
    ASSERT_TRUE(input.Post(Message(kWorker, number)).ok());
    input.Resume();
  }

  int reads = 0;  // messages that were asked for
};

TEST_F(StreamInputTest, ReadsOneMessageAtATime) {
  StreamInput input(*broker, kWorker, Lane::kWorkers, [&] { ++reads; });
  EXPECT_EQ(reads, 0);
  EXPECT_TRUE(input.held());
  input.Begin();
  EXPECT_EQ(reads, 1);
  Arrive(input, 1);
  EXPECT_EQ(reads, 1);
  Arrive(input, 2);
  EXPECT_EQ(reads, 1);
  EXPECT_FALSE(input.held());
  Turn();
  EXPECT_THAT(Handled(), ElementsAre(1, 2));
}

TEST_F(StreamInputTest, WithoutRoomReadingWaitsAndWhatWasReadIsTaken) {
  StreamInput input(*broker, kWorker, Lane::kWorkers, [&] { ++reads; });
  input.Begin();
  for (const uint64_t number : {1, 2, 3}) Arrive(input, number);
  EXPECT_EQ(reads, 0);
  EXPECT_TRUE(input.held());
  Turn();
  EXPECT_THAT(Handled(), ElementsAre(1, 2, 3));
  EXPECT_EQ(reads, 0);
  Turn();
  const auto read_on = listener.Take<ReadOn>();
  ASSERT_THAT(read_on, SizeIs(1));
  EXPECT_EQ(read_on[0].call, kWorker);
  input.Resume();
  EXPECT_EQ(reads, 1);
}

TEST_F(StreamInputTest, WhoIsOverReadsNoMoreThoughTheBrokerLetsIt) {
  StreamInput input(*broker, kWorker, Lane::kWorkers, [&] { ++reads; });
  input.Begin();
  Arrive(input, 1);
  ASSERT_EQ(reads, 1);
  ASSERT_TRUE(broker->Post(Lane::kWorkers, Message(kOther, 1)).ok());  // no room is left
  std::vector<Request> last;
  last.push_back({engine::Command(engine::CallClosed{kWorker}), nullptr});
  input.Close(std::move(last));
  Turn();
  Turn();
  ASSERT_THAT(listener.Take<ReadOn>(), SizeIs(1));
  input.Resume();
  EXPECT_EQ(reads, 1);  // never two at once
}

TEST_F(StreamInputTest, AStreamThatBeginsWithoutRoomIsRefusedAndLeavesNothing) {
  for (const uint64_t number : {1, 2}) {
    ASSERT_TRUE(broker->Post(Lane::kWorkers, Message(kOther, number)).ok());
  }
  StreamInput input(*broker, kWorker, Lane::kWorkers, [&] { ++reads; });
  input.Begin();
  input.Arrived();
  EXPECT_TRUE(absl::IsResourceExhausted(input.Post(Message(kWorker, 3))));
  std::vector<Request> last;
  last.push_back({engine::Command(engine::CallClosed{kWorker}), nullptr});
  input.Close(std::move(last));
  const absl::Status full = broker->Post(Lane::kWorkers, Message(kOther, 4));
  EXPECT_THAT(full.message(), testing::HasSubstr("(2 requests"));
  Turn();
  Turn();
  EXPECT_THAT(Handled(), ElementsAre(1, 2));
  EXPECT_THAT(listener.heard, IsEmpty());
}

TEST_F(StreamInputTest, WhatAnotherThreadPostsAfterTheEndGoesNowhere) {
  StreamInput input(*broker, kClient, Lane::kClients, [&] { ++reads; });
  input.Begin();
  input.Arrived();
  std::vector<Request> last;
  last.push_back({engine::Command(engine::CallClosed{kClient}), nullptr});
  input.Close(std::move(last));
  std::vector<Request> late;
  late.push_back({engine::Command(engine::OpenSession{kClient}), nullptr});
  EXPECT_TRUE(input.Post(std::move(late)).ok());
  input.Resume();
  TurnAndSync();
  EXPECT_THAT(listener.heard, IsEmpty());
  EXPECT_EQ(broker->engine().Totals().sessions, 0);
}

TEST_F(StreamInputTest, ABrokerThatStopsSaysSo) {
  StreamInput input(*broker, kWorker, Lane::kWorkers, [&] { ++reads; });
  input.Begin();
  --reads;
  input.Arrived();
  broker->Stop();
  EXPECT_TRUE(absl::IsUnavailable(input.Post(Message(kWorker, 1))));
  input.Resume();
  EXPECT_EQ(reads, 0);  // it is to end
}

// A transport, an outbox and a broker, each with a thread of its own.
class Transport final : public Outbox {
 public:
  Transport() : thread_([this] { Run(); }) {}
  ~Transport() override { Disconnect(); }
  void Connect(StreamInput& input) { input_ = &input; }
  // From here on the stream is not resumed any more.
  void Disconnect() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    news_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  void Read() {
    {
      const std::lock_guard lock(mutex_);
      ++reads_;
    }
    news_.notify_all();
  }
  // Waits until the stream asks for a message; the test is the peer.
  void AwaitRead() {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [this] { return reads_ > 0; });
    ASSERT_EQ(reads_, 1) << "two messages were asked for at once";
    --reads_;
  }
  void AwaitHandled(uint64_t number) {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return handled_ == number; });
  }

  void Release(std::vector<Delivery> deliveries) override {
    {
      const std::lock_guard lock(mutex_);
      for (Delivery& delivery : deliveries) deliveries_.push_back(std::move(delivery));
    }
    news_.notify_all();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      news_.wait(lock, [this] { return done_ || !deliveries_.empty(); });
      if (done_) return;
      const Delivery delivery = std::move(deliveries_.front());
      deliveries_.pop_front();
      lock.unlock();
      if (std::holds_alternative<ReadOn>(delivery)) {
        input_->Resume();
      } else if (const auto* handled = std::get_if<engine::ReportsHandled>(&delivery)) {
        const std::lock_guard again(mutex_);
        EXPECT_EQ(handled->sequence, handled_ + 1) << "out of order";
        handled_ = handled->sequence;
      }
      news_.notify_all();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Delivery> deliveries_;
  StreamInput* input_ = nullptr;
  uint64_t handled_ = 0;
  int reads_ = 0;
  bool done_ = false;
  std::thread thread_;
};

TEST(StreamInput, KeepsItsOrderThoughTheInboxIsFullAllTheTime) {
  BrokerOptions options;
  options.inbox_requests_max = 1;
  TestClock clock;
  store::MemoryStore store(clock);
  Transport transport;
  Broker broker(options, clock, store, transport);
  ASSERT_TRUE(broker.Recover(engine::Incarnation{1}, [](int64_t) {}).ok());
  StreamInput input(broker, kWorker, Lane::kWorkers, [&] { transport.Read(); });
  transport.Connect(input);
  std::thread loop([&] { EXPECT_TRUE(broker.Run().ok()); });

  const auto send = [&](uint64_t number) {
    transport.AwaitRead();
    input.Arrived();
    EXPECT_TRUE(input.Post(Message(kWorker, number)).ok());
    input.Resume();
  };
  input.Begin();
  send(1);
  // Others keep the lane full.
  std::atomic<bool> over{false};
  std::thread crowd([&] {
    while (!over) (void)broker.Post(Lane::kWorkers, {engine::Command(engine::Heartbeat{}), {}});
  });
  constexpr uint64_t kMessages = 2'000;
  for (uint64_t number = 2; number <= kMessages; ++number) send(number);
  transport.AwaitHandled(kMessages);
  over = true;
  crowd.join();
  std::vector<Request> last;
  last.push_back({engine::Command(engine::CallClosed{kWorker}), nullptr});
  input.Close(std::move(last));
  broker.Stop();
  loop.join();
  transport.Disconnect();
}

}  // namespace
}  // namespace treadle::broker
