#pragma once

#include <cstdint>
#include <memory>

#include <grpcpp/grpcpp.h>

#include "proto/support/address.h"

// The one place that both ends take their gRPC settings from, and what else both must know:
// keepalive that one side sends and the other forbids ends every call of a connection.

namespace treadle::wire {

// A stream's client sends something at least this often while it has something to lose: the shorter
// a worker's leases the more often. And otherwise: before proxies cut an idle stream, which many do
// after a minute. The broker answers when it has said nothing for half of the former.
inline constexpr int64_t kHeartbeatMs = 3'000;
inline constexpr int64_t kIdleHeartbeatMs = 45'000;
// A peer that is this late is gone, whatever TCP thinks of the connection.
inline constexpr int64_t kPeerSilentMs = 10'000;
// What a message carries beside its largest payload.
inline constexpr int64_t kMessageOverheadBytes = int64_t{4} << 20;
// What our clients' channels take: the broker bounds what it sends.
inline constexpr int64_t kTakenBytesMax = INT32_MAX;
// What a pool that serves no type at present names as its only one: no types would mean all.
inline constexpr char kNoType[] = "(none)";

// Keeps gRPC's own log lines, which speak of its insides, off stderr; what they are about comes
// back as statuses anyway. GRPC_VERBOSITY in the environment brings them back. First thing in
// main().
void QuietGrpc();

// Debian builds Abseil with its assertions, so each lock of gRPC's mutexes is put into a graph of
// who waits for whom, and checked for a cycle: a tenth of what a broker under load computes. For
// programs: a library does not choose for those who link it. First thing in main().
void LookForNoDeadlocks();

// A channel to a broker, with a TCP connection of its own. `http_proxy`: through the proxy that
// grpc_proxy, https_proxy or http_proxy names in the environment, as gRPC does unless told
// otherwise. Off for all that do not ask for it: a broker stands beside its clients, and the proxy
// that leads to the web is no way to it.
std::shared_ptr<grpc::Channel> NewChannel(const Address& broker, bool http_proxy = false);

// For the broker's server: keepalive, and the bounds of a message and of one connection's calls.
void ApplyServerSettings(grpc::ServerBuilder& builder, int64_t message_bytes_max,
                         int64_t calls_per_connection_max);

}  // namespace treadle::wire
