#include "client/worker_check.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "client/session/session.h"
#include <gtest/gtest.h>

#include "tests/client/fake_broker.h"
#include "treadle/client.h"

// Against a broker that knows of no worker, as one does that has just been started.

namespace treadle::client {
namespace {

using namespace std::chrono_literals;

// Until WorkerCheck has looked so often once more.
void AwaitLooks(const FakeBroker& broker, int count) {
  const int until = broker.workers_asked() + count;
  while (broker.workers_asked() < until) std::this_thread::sleep_for(1ms);
}

TEST(WorkerCheckTest, WorkersHaveTimeToFindABrokerThatWasAway) {
  FakeBroker broker;
  const absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(broker.Options());
  ASSERT_TRUE(client.ok()) << client.status();
  Session session((*client)->options(), (*client)->channel());
  broker.ListError();
  WorkerCheck check(**client, session, "cpu", 50ms);
  const absl::StatusOr<uint32_t> group = check.GroupOf("square");
  ASSERT_TRUE(group.ok()) << group.status();
  SubmitTraits traits;
  traits.group = *group;
  const FutureBase pending(session.Submit({std::make_shared<const std::string>(), "", ""}, traits));
  const std::shared_ptr<FakeStream> stream = broker.NextStream();
  stream->Open(7);
  AwaitLooks(broker, 10);
  EXPECT_TRUE(check.GroupOf("square").ok()) << "nobody knows";
  const auto away_until = std::chrono::steady_clock::now();
  broker.ListNone();
  AwaitLooks(broker, 10);
  const bool broken = !check.GroupOf("square").ok();
  // Where this took longer than the workers may, it proves nothing.
  if (std::chrono::steady_clock::now() < away_until + 7s) {
    EXPECT_FALSE(broken);
  }
  while (check.GroupOf("square").ok()) std::this_thread::sleep_for(1ms);
  EXPECT_GE(std::chrono::steady_clock::now(), away_until + 7s);
}

}  // namespace
}  // namespace treadle::client
