#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/broker.h"
#include "tests/broker/held_store.h"

// A broker that is turned by hand, over a store whose syncs return when a test says so.

namespace treadle::broker {

class Listener final : public Outbox {
 public:
  void Release(std::vector<Delivery> deliveries) override {
    for (Delivery& delivery : deliveries) {
      if (auto* answer = std::get_if<Answer>(&delivery)) {
        (*answer)();
      } else {
        heard.push_back(std::move(delivery));
      }
    }
  }
  // Takes those of one kind out.
  template <typename Event>
  std::vector<Event> Take() {
    std::vector<Event> events;
    std::erase_if(heard, [&](Delivery& delivery) {
      auto* event = std::get_if<Event>(&delivery);
      if (event != nullptr) events.push_back(std::move(*event));
      return event != nullptr;
    });
    return events;
  }
  bool full() const override { return is_full || (ask_full && ask_full()); }

  std::vector<Delivery> heard;
  bool is_full = false;            // its reader does not keep up
  std::function<bool()> ask_full;  // if given, says it, too
};

// Whenever it is looked at, 10 ms have passed.
struct SlowMachine final : MachineClock {
  int64_t SinceBootMs() const override { return now_ms += 10; }
  int64_t UnixMs() const override { return now_ms; }
  std::string BootId() const override { return ""; }
  mutable int64_t now_ms = 1'000'000;
};

inline BodyPtr Bytes(std::string bytes) {
  return std::make_shared<const Body>(Body{.bytes = std::move(bytes), .content_type = "text"});
}

inline constexpr engine::CallId kClient{1};
inline constexpr engine::CallId kWorker{2};
inline constexpr engine::CallId kOther{3};

class BrokerTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start() {
    broker = std::make_unique<Broker>(options, clock, store, listener);
    ASSERT_TRUE(broker->Recover(incarnation, [](int64_t) {}).ok());
    store.FinishSync();
    Turn();
  }

  void Post(Action action, BodyPtr body = nullptr) {
    ASSERT_TRUE(broker->Post(lane, Request{std::move(action), std::move(body)}).ok());
  }
  void Tell(engine::Command command, BodyPtr body = nullptr) {
    Post(std::move(command), std::move(body));
  }
  void Turn() {
    const absl::StatusOr<bool> done = broker->Turn();
    ASSERT_TRUE(done.ok()) << done.status();
  }
  // A turn, and the sync that it asked for.
  void TurnAndSync() {
    Turn();
    store.FinishSync();
    Turn();
  }

  TaskId Submit(std::string payload, engine::TaskSpec spec = {}, int64_t wait_ms = 0,
                engine::CallId call = kClient) {
    const TaskId id = broker->NewTaskIds(1);
    if (spec.queue.empty()) spec.queue = "mail";
    spec.type = "send";
    spec.payload_bytes = payload.size();
    Tell(
        engine::Submit{
            .call = call, .item = id.sequence, .id = id, .spec = spec, .wait_if_full_ms = wait_ms},
        Bytes(std::move(payload)));
    return id;
  }

  uint64_t OpenSession() {
    Tell(engine::OpenSession{kClient});
    TurnAndSync();
    const auto opened = listener.Take<engine::SessionOpened>();
    EXPECT_THAT(opened, testing::SizeIs(1));
    return opened.at(0).session;
  }

  // One task of room, and one task in it.
  void FillQueue() {
    Tell(engine::CreateQueue{kOther, {"mail", engine::Discipline::kFifo, 1, 1'000}});
    Submit("first", {}, 0, kOther);
  }

  // A session's submit, into a queue that is full.
  void SubmitWaiting(TaskId id, std::string payload,
                     engine::Durability durability = engine::Durability::kSynced) {
    engine::Submit submit{.call = kClient, .item = id.sequence, .id = id};
    submit.sequenced = true;
    submit.wait_if_full_ms = 60'000;
    submit.spec.queue = "mail";
    submit.spec.type = "send";
    submit.spec.durability = durability;
    submit.spec.payload_bytes = payload.size();
    Tell(std::move(submit), Bytes(std::move(payload)));
  }

  void Attach(int32_t credit) {
    Tell(engine::AttachWorker{.call = kWorker,
                              .worker_id = "w",
                              .queues = {"mail"},
                              .pools = {engine::PoolSpec{"thread", 4, {}}}});
    Tell(engine::AddCredit{kWorker, 0, credit});
  }

  void Succeed(const engine::Lease& lease, std::string result) {
    Tell(engine::EndAttempt{.call = kWorker, .token = lease.token}, Bytes(std::move(result)));
  }

  std::vector<LeasedRun> TakeLeases() {
    std::vector<LeasedRun> tasks;
    for (Leased& leased : listener.Take<Leased>()) {
      for (LeasedRun& task : leased.runs) tasks.push_back(std::move(task));
    }
    return tasks;
  }

  // Submits one task, and runs it.
  TaskId RunOne(const std::string& result) {
    const TaskId id = Submit("payload");
    Attach(1);
    TurnAndSync();
    const std::vector<LeasedRun> leases = TakeLeases();
    EXPECT_THAT(leases, testing::SizeIs(1));
    Succeed(leases.at(0).lease, result);
    TurnAndSync();
    return id;
  }

  // Where Post and Tell post: one for all, so that all come in the order of the test's lines.
  Lane lane = Lane::kClients;
  BrokerOptions options;
  engine::Incarnation incarnation{1};  // small numbers are easily read
  TestClock clock;
  HeldStore store{clock};
  Listener listener;
  std::unique_ptr<Broker> broker;
};

}  // namespace treadle::broker
