#include "treadle/client.h"

#include <algorithm>
#include <array>
#include <memory>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "client/client_impl.h"
#include "client/session/reconnect_backoff.h"
#include "client/session/session.h"
#include <grpcpp/grpcpp.h>

#include "proto/support/address.h"
#include "proto/support/text.h"
#include "proto/support/utf8.h"
#include "proto/wire/settings.h"
#include "proto/wire/status.h"
#include "treadle/internal/start_thread.h"
#include "treadle/timeout.h"

namespace treadle {
namespace {

// Longer waits are mistakes, and would not fit into the clocks' types.
constexpr std::chrono::milliseconds kDurationMax(366 * limits::kDayMs);

std::string DefaultName() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return absl::StrCat("pid ", getpid());
  return absl::StrCat(host.data(), ":", getpid());
}

absl::Status CheckDuration(std::string_view name, std::chrono::milliseconds value) {
  if (value.count() >= 0 && value <= kDurationMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(Absl(name), " is ", value.count(),
                                                 " ms: use a time from 0 to ", kDurationMax.count(),
                                                 " ms"));
}

absl::Status CheckOptions(const ClientOptions& options) {
  if (!IsUtf8(options.name)) return absl::InvalidArgumentError("name is not UTF-8: choose another");
  if (options.name.size() > limits::kNameBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "name has ", options.name.size(), " bytes: choose one of at most ", limits::kNameBytesMax));
  }
  const bool ascii = std::all_of(options.actor.begin(), options.actor.end(),
                                 [](char c) { return c >= ' ' && c <= '~'; });
  if (!ascii || options.actor.size() > limits::kNameBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("actor is to be at most ", limits::kNameBytesMax,
                                                   " printable ASCII characters"));
  }
  absl::Status status = CheckDuration("connect_timeout", options.connect_timeout);
  status.Update(CheckDuration("give_up_after", options.give_up_after));
  status.Update(CheckDuration("call_timeout", options.call_timeout));
  status.Update(CheckDuration("shutdown_timeout", options.shutdown_timeout));
  if (!status.ok()) return status;
  if (options.window_tasks < 1 || options.window_bytes < 1) {
    return absl::InvalidArgumentError("window_tasks and window_bytes must be at least 1");
  }
  return absl::OkStatus();
}

// A channel whose broker has answered. Each attempt has a channel of its own: one that has failed
// waits for a back-off of gRPC's before it is tried again.
absl::StatusOr<std::shared_ptr<grpc::Channel>> AwaitBroker(const Address& broker,
                                                           const ClientOptions& options) {
  const auto deadline = DeadlineAfter(options.connect_timeout);
  client::ReconnectBackoff backoff;
  std::string reason = "nothing heard";
  while (true) {
    std::shared_ptr<grpc::Channel> channel = wire::NewChannel(broker, options.http_proxy);
    grpc::ClientContext context;
    context.set_deadline(CallDeadline(deadline - std::chrono::steady_clock::now()));
    v1::GetServerInfoResponse response;
    const absl::Status status = wire::FromGrpc(v1::AdminService::NewStub(channel)->GetServerInfo(
        &context, v1::GetServerInfoRequest(), &response));
    if (status.ok()) return channel;
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
    if (absl::IsUnavailable(status)) reason = status.ToString();
    const auto next = std::chrono::steady_clock::now() + backoff.Next();
    if (next >= deadline) break;
    std::this_thread::sleep_until(next);
  }
  return absl::UnavailableError(absl::StrCat("no broker answers at ", options.address,
                                             ": start treadle-server, or name its address (",
                                             reason, ")"));
}

}  // namespace

absl::StatusOr<ClientPtr> Client::Connect(ClientOptions options) {
  absl::Status status = CheckOptions(options);
  if (!status.ok()) return status;
  const absl::StatusOr<Address> broker = BrokerAddress(options.address);
  if (!broker.ok()) return broker.status();
  options.address = broker->ToString();
  if (options.name.empty()) options.name = DefaultName();
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = AwaitBroker(*broker, options);
  if (!channel.ok()) return channel.status();
  try {
    return ClientPtr(absl::WrapUnique(
        new Client(std::make_unique<Impl>(std::move(options), *std::move(channel)))));
  } catch (const std::system_error& error) {
    return internal::ThreadRefused("the client", error);
  }
}

Client::Impl::Impl(ClientOptions options_in, std::shared_ptr<grpc::Channel> channel_in)
    : options(std::move(options_in)),
      channel(std::move(channel_in)),
      tasks(v1::TaskService::NewStub(channel)),
      queues(v1::QueueService::NewStub(channel)),
      dead_letters(v1::DeadLetterService::NewStub(channel)),
      jobs(v1::JobService::NewStub(channel)),
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

client::FutureStateRef Client::AttachState(std::string_view task_id) {
  const absl::StatusOr<TaskId> id = TaskId::Parse(task_id);
  if (!id.ok()) return client::EndedState(id.status());
  return impl_->session.Attach(*id);
}

TaskOutput Client::Follow(std::string_view task_id, const FollowOptions& options) {
  const absl::Status status = TaskId::Parse(task_id).status();
  if (!status.ok()) return TaskOutput(nullptr, client::EndedState(status), options);
  return TaskOutput(impl_->session.NewOutputCalls(), std::string(task_id), options);
}

ClientStats Client::Stats() const { return impl_->session.Stats(); }

client::Session& Client::session() { return impl_->session; }

client::HeldLeases& Client::leases() { return impl_->leases; }

const ClientOptions& Client::options() const { return impl_->options; }

const std::shared_ptr<grpc::Channel>& Client::channel() const { return impl_->channel; }

}  // namespace treadle
