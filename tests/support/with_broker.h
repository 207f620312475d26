#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "treadle/testing.h"
#include "treadle/treadle.h"

namespace treadle::test {

// Longer than anything takes, even on a machine that is busy with much else.
inline constexpr std::chrono::seconds kPatience(60);

inline std::unique_ptr<testing::LocalBroker> StartBroker(
    testing::LocalBrokerOptions options = testing::LocalBrokerOptions()) {
  absl::StatusOr<std::unique_ptr<testing::LocalBroker>> broker =
      testing::LocalBroker::Start(options);
  EXPECT_TRUE(broker.ok()) << broker.status();
  return *std::move(broker);
}

// For a TcpProxy to it.
inline int PortOf(const testing::LocalBroker& broker) {
  return std::stoi(broker.address().substr(broker.address().rfind(':') + 1));
}

// Another client, which may be reached over a proxy.
inline std::unique_ptr<Client> ConnectTo(const std::string& address) {
  ClientOptions options(address);
  options.connect_timeout = options.call_timeout = kPatience;
  options.name = "test";
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

// A broker, and a client of it that a test may shut down.
class WithBroker : public ::testing::Test {
 protected:
  explicit WithBroker(testing::LocalBrokerOptions options = testing::LocalBrokerOptions())
      : broker_(StartBroker(options)) {}

  const std::unique_ptr<testing::LocalBroker> broker_;
  std::unique_ptr<Client> client_ = ConnectTo(broker_->address());
  Executor executor_{*client_, ExecutorOptions("cpu")};
};

}  // namespace treadle::test
