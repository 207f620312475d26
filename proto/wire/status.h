#pragma once

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "proto/wire/item_status.h"

// absl::Status and gRPC's statuses share their codes; only the types differ.

namespace treadle::wire {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace treadle::wire
