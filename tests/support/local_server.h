#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/rpc/options.h"
#include "server/rpc/server.h"
#include "server/service/service.h"
#include "server/store/store.h"

namespace treadle::test {

struct LocalServerOptions {
  // Empty: rows in memory. Otherwise RocksDB in this folder.
  std::string data_directory;
  // In place of either, if set.
  std::function<std::unique_ptr<store::Store>(const Clock&)> make_store;
  // Port 0: any free one. Give an earlier server's address() to come back in its place.
  std::string listen = "127.0.0.1:0";
  broker::BrokerOptions broker;
  rpc::Options rpc;  // `listen` and `engine` are taken from the two above
};

// A whole server inside the test's process: store, broker on a thread, gRPC edge on 127.0.0.1. What
// goes wrong at its start aborts the test program with a message.
//
// For tests of the server's own insides, which treadle::testing::LocalBroker keeps to itself: rows
// on a disk, stores that hang or forget, bounds of broker and edge, and what both count. Tests that
// only want a broker take that one (with_broker.h).
class LocalServer {
 public:
  explicit LocalServer(LocalServerOptions options = {});
  // Stops in order, as SIGTERM does. Seconds at most.
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  // "127.0.0.1:43210".
  std::string address() const { return service_.address(); }
  int port() const { return service_.port(); }
  // A channel of its own connection.
  std::shared_ptr<grpc::Channel> NewChannel() const;

  broker::Broker& broker() { return service_.broker(); }
  rpc::Server& edge() { return service_.edge(); }
  store::Store& store() { return *store_; }  // only what any thread may ask
  // What else a server has beside its edge is made of these.
  server::Service& service() { return service_; }
  const server::ServiceOptions& options() const { return options_; }
  const Clock& clock() const { return clock_; }

 private:
  SystemMachineClock machine_;
  ServiceClock clock_{machine_};
  std::unique_ptr<store::Store> store_;
  const server::ServiceOptions options_;
  server::Service service_;
  std::thread broker_thread_;
};

// A new empty folder, deleted with all that is in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace treadle::test
