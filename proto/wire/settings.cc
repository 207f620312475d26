#include "proto/wire/settings.h"

#include <limits>
#include <stdlib.h>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>

namespace treadle::wire {
namespace {

// A client's pings find connections that a hung host between keeps open; a server's find peers that
// hang and have no stream. What waits for something notices sooner, by heartbeats and deadlines,
// and a server finds hosts that are gone by its sockets' own keepalive. A ping costs a broker that
// has little else to do 100 us, and comes only when nothing else did: so thousands of peers whose
// idle streams beat do not ping at all.
constexpr int kClientKeepaliveTimeMs = static_cast<int>(kIdleHeartbeatMs) + 5'000;
constexpr int kServerKeepaliveTimeMs = 120'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Headers of one call: what gRPC sends is a tenth of it.
constexpr int kMetadataBytesMax = 8 << 10;
// A connection on which HTTP/2 has not begun by then is closed.
constexpr int kHandshakeMs = 10'000;
constexpr int kReconnectBackoffMs = 100;
constexpr int kReconnectBackoffMaxMs = 2'000;
// How long one attempt to connect may take, though its name says otherwise.
constexpr int kConnectTimeoutMs = 5'000;

// When the last user of gRPC lets go of it, gRPC shuts down and waits for its threads, one of which
// may sit in a poll of 10 s that a large write has left behind (run_poller in gRPC's
// tcp_posix.cc): so we never let go.
void KeepGrpcRunning() {
  static const bool once = [] {
    grpc_init();
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace

void LookForNoDeadlocks() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

void QuietGrpc() {
  ::setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  google::protobuf::SetLogHandler(nullptr);
}

std::shared_ptr<grpc::Channel> NewChannel(const Address& broker, bool http_proxy) {
  KeepGrpcRunning();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kTakenBytesMax));
  arguments.SetMaxSendMessageSize(std::numeric_limits<int>::max());
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kClientKeepaliveTimeMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectBackoffMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectBackoffMaxMs);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, http_proxy ? 1 : 0);
  // With its scheme, so that a host called "unix" or "dns" is a host all the same.
  const std::string target =
      absl::StrCat("dns:///", absl::StrReplaceAll(broker.ToString(), {{"%", "%25"}}));
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

void ApplyServerSettings(grpc::ServerBuilder& builder, int64_t message_bytes_max,
                         int64_t calls_per_connection_max) {
  KeepGrpcRunning();
  builder.SetMaxReceiveMessageSize(static_cast<int>(message_bytes_max));
  builder.SetMaxSendMessageSize(std::numeric_limits<int>::max());
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(calls_per_connection_max));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // However many pings a client sends, it stays connected. gRPC 1.51 would close the connection for
  // each one too many anew, and keep what it says then: 5,000 at once cost seconds of its threads.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

}  // namespace treadle::wire
