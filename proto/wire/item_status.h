#pragma once

#include <string>

#include "absl/status/status.h"

#include "treadle/v1/task.pb.h"

// The status of one item of a batch. Needs no gRPC.

namespace treadle::wire {

inline void ToItem(const absl::Status& status, v1::ItemStatus* item) {
  item->set_code(status.raw_code());
  item->set_message(std::string(status.message()));
}

inline absl::Status FromItem(const v1::ItemStatus& item) {
  if (item.code() == 0) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(item.code()), item.message());
}

}  // namespace treadle::wire
