#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

namespace treadle::rpc {

// Messages are taken from gRPC as bytes and parsed here: gRPC itself says nothing of what was wrong
// with a message, and lets a stream that carries a bad one end as if its client had finished it.

// INVALID_ARGUMENT: longer than `bytes_max`, not such a message, or with a text field that is not
// UTF-8, which is then named.
absl::Status Parse(const grpc::ByteBuffer& buffer, int64_t bytes_max,
                   google::protobuf::Message& message);

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message);

// An empty message: a heartbeat on streams.
grpc::ByteBuffer EmptyMessage();

}  // namespace treadle::rpc
