#pragma once

#include <cstdint>
#include <string>

#include "proto/support/limits.h"
#include "proto/wire/settings.h"
#include "server/engine/options.h"

namespace treadle::rpc {

struct Options {
  std::string listen = limits::kDefaultAddress;  // port 0: any free one
  int64_t payload_bytes_max = limits::kPayloadBytesMax;
  int32_t batch_tasks_max = limits::kBatchTasksMax;
  int64_t connections_max = limits::kConnectionsMax;
  // Of one client, which is one connection.
  int64_t streams_per_client_max = limits::kStreamsPerClientMax;
  int64_t calls_per_client_max = limits::kCallsPerClientMax;
  int64_t calls_max = limits::kCallsMax;
  // Waiting for one stream's reader. A stream that stays beyond it for long (wire::kPeerSilentMs),
  // or goes far beyond it (eight times), is ended.
  int64_t outgoing_bytes_max = limits::kOutgoingBytesMax;
  // Sent and not read yet, of all clients: see Outgoing.
  int64_t outgoing_bytes_sum_max = limits::kOutgoingBytesSumMax;
  // Of gRPC: messages as they come in, calls, connections. Beyond it gRPC itself ends idle
  // connections, then calls.
  int64_t incoming_bytes_max = limits::kIncomingBytesMax;
  // How long a call may be silent before its first message has come.
  int64_t first_message_ms = limits::kFirstMessageMs;
  // How often a stream's client says something that has nothing to lose.
  int64_t idle_heartbeat_ms = wire::kIdleHeartbeatMs;
  // How long a message may take to be read; one that is large as long as this pace needs.
  int64_t read_within_ms = limits::kMinuteMs;
  int64_t read_bytes_per_ms = 16;
  // Of the hour's charts, which have 720 of them.
  int64_t chart_step_ms = 5 * limits::kSecondMs;
  // The broker's own, which clients and workers are told.
  engine::EngineOptions engine;
  std::string version;
};

}  // namespace treadle::rpc
