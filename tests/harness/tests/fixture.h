#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "treadle/testing.h"
#include "treadle/treadle.h"

namespace treadle::testing {

// Longer than anything takes, even on a machine that is busy with much else.
inline constexpr std::chrono::seconds kPatience(60);

inline std::unique_ptr<LocalBroker> StartBroker(LocalBrokerOptions options = {}) {
  absl::StatusOr<std::unique_ptr<LocalBroker>> broker = LocalBroker::Start(options);
  EXPECT_TRUE(broker.ok()) << broker.status();
  return *std::move(broker);
}

inline std::unique_ptr<Client> Connect(const LocalBroker& broker) {
  ClientOptions options(broker.address());
  options.connect_timeout = options.call_timeout = kPatience;
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

class WithLocalBroker : public ::testing::Test {
 protected:
  const std::unique_ptr<LocalBroker> broker_ = StartBroker();
  Executor executor_{broker_->client(), ExecutorOptions("cpu")};
};

}  // namespace treadle::testing
