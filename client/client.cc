#include "client/client.h"

#include <array>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client_impl.h"
#include "client/session.h"
#include "client/wait.h"
#include <grpcpp/grpcpp.h>

#include "proto/support/address.h"
#include "proto/support/utf8.h"
#include "proto/wire/settings.h"

namespace treadle {
namespace {

std::string DefaultName() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return absl::StrCat("pid ", getpid());
  return absl::StrCat(host.data(), ":", getpid());
}

absl::Status CheckOptions(const ClientOptions& options) {
  if (!IsUtf8(options.name)) return absl::InvalidArgumentError("name is not UTF-8: choose another");
  if (options.window_tasks < 1 || options.window_bytes < 1) {
    return absl::InvalidArgumentError("window_tasks and window_bytes must be at least 1");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  const absl::StatusOr<Address> broker = ParseAddress(options.address);
  if (!broker.ok()) return broker.status();
  absl::Status status = CheckOptions(options);
  if (!status.ok()) return status;
  if (options.name.empty()) options.name = DefaultName();
  const auto deadline = DeadlineAfter(options.connect_timeout);
  std::unique_ptr<Client> client(new Client(std::make_unique<Impl>(std::move(options), *broker)));
  status = client->session().WaitUntilOpen(deadline);
  if (!status.ok()) return status;
  return client;
}

Client::Impl::Impl(ClientOptions options_in, const Address& broker)
    : options(std::move(options_in)),
      channel(wire::NewChannel(broker, options.http_proxy)),
      tasks(v1::TaskService::NewStub(channel)),
      queues(v1::QueueService::NewStub(channel)),
      admin(v1::AdminService::NewStub(channel)),
      leases(options, channel, watches),
      session(options, channel) {}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Client::~Client() { Shutdown(); }

void Client::Shutdown() {
  impl_->leases.Shutdown();
  impl_->watches.CancelAll();
  impl_->session.Shutdown();
}

absl::Status Client::Flush(Timeout timeout) { return impl_->session.Flush(timeout); }

FutureStateRef Client::AttachState(std::string_view task_id) {
  const absl::StatusOr<TaskId> id = TaskId::Parse(task_id);
  if (!id.ok()) return EndedState(id.status());
  return impl_->session.Attach(*id);
}

Session& Client::session() { return impl_->session; }

HeldLeases& Client::leases() { return impl_->leases; }

const ClientOptions& Client::options() const { return impl_->options; }

const std::shared_ptr<grpc::Channel>& Client::channel() const { return impl_->channel; }

}  // namespace treadle
