#include "tests/support/local_server.h"

#include <cstdio>
#include <filesystem>
#include <stdlib.h>
#include <utility>

#include "proto/support/address.h"
#include "proto/support/assert.h"
#include "proto/wire/settings.h"
#include "server/store/memory_store.h"
#include "server/store/rocks_store.h"
#include "server/store/write_behind.h"

namespace treadle::test {
namespace {

void OkOrAbort(const char* what, const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "LocalServer: %s: %s\n", what, status.ToString().c_str());
  std::abort();
}

std::unique_ptr<store::Store> OpenStore(const LocalServerOptions& server, const Clock& clock) {
  if (server.make_store != nullptr) return server.make_store(clock);
  const std::string& directory = server.data_directory;
  if (directory.empty()) return std::make_unique<store::MemoryStore>(clock);
  store::RocksStoreOptions options;
  options.directory = directory;
  options.ballast_bytes = 0;
  auto store = store::RocksStore::Open(options, clock);
  OkOrAbort("store", store.status());
  return std::make_unique<store::WriteBehind>(*std::move(store));
}

server::ServiceOptions ServiceOptionsOf(const LocalServerOptions& options) {
  server::ServiceOptions service{options.broker, options.rpc};
  service.rpc.listen = options.listen;
  if (service.rpc.version.empty()) service.rpc.version = "test";
  return service;
}

}  // namespace

LocalServer::LocalServer(LocalServerOptions options)
    : store_(OpenStore(options, clock_)),
      options_(ServiceOptionsOf(options)),
      service_(options_, machine_, clock_, *store_) {
  OkOrAbort("start", service_.Start());
  broker_thread_ = std::thread([this] { OkOrAbort("broker", service_.Run()); });
}

LocalServer::~LocalServer() {
  service_.Stop();
  broker_thread_.join();
}

std::shared_ptr<grpc::Channel> LocalServer::NewChannel() const {
  return wire::NewChannel(*ParseAddress(address()));
}

TemporaryFolder::TemporaryFolder()
    : path_((std::filesystem::temp_directory_path() / "treadle-test-XXXXXX").string()) {
  TREADLE_ASSERT(::mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace treadle::test
