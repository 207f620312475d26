#include "proto/wire/status.h"

#include <string>

namespace treadle::wire {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      std::string(status.message()));
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

void ToItem(const absl::Status& status, v1::ItemStatus* item) {
  item->set_code(status.raw_code());
  item->set_message(std::string(status.message()));
}

absl::Status FromItem(const v1::ItemStatus& item) {
  if (item.code() == 0) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(item.code()), item.message());
}

}  // namespace treadle::wire
