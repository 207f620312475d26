#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "treadle/v1/task.pb.h"

// absl::Status and gRPC's statuses share their codes; only the types differ.

namespace treadle::wire {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

void ToItem(const absl::Status& status, v1::ItemStatus* item);
// As one of `items` in a message that is to stay below what a client takes: long texts are cut.
void ToItem(const absl::Status& status, int64_t items, v1::ItemStatus* item);
absl::Status FromItem(const v1::ItemStatus& item);

}  // namespace treadle::wire
