#include "proto/wire/status.h"

#include <string>

#include "proto/support/limits.h"
#include "proto/support/utf8.h"

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

void ToItem(const absl::Status& status, int64_t items, v1::ItemStatus* item) {
  constexpr int64_t kTextBytes = 2 * limits::kMiB;  // of all items
  item->set_code(status.raw_code());
  item->set_message(
      CutMiddle(std::string(status.message()), static_cast<size_t>(kTextBytes / items)));
}

absl::Status FromItem(const v1::ItemStatus& item) {
  if (item.code() == 0) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(item.code()), item.message());
}

}  // namespace treadle::wire
