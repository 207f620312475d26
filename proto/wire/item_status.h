#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "treadle/v1/task.pb.h"

// The status of one item of a batch. Needs no gRPC.

namespace treadle::wire {

inline void ToItem(const absl::Status& status, v1::ItemStatus* item) {
  item->set_code(status.raw_code());
  item->set_message(std::string(status.message()));
}

// As one of `items` in a message that is to stay below what a client takes: long texts are cut.
inline void ToItem(const absl::Status& status, int64_t items, v1::ItemStatus* item) {
  constexpr int64_t kTextBytes = 2 * limits::kMiB;  // of all items
  item->set_code(status.raw_code());
  item->set_message(
      CutMiddle(std::string(status.message()), static_cast<size_t>(kTextBytes / items)));
}

inline absl::Status FromItem(const v1::ItemStatus& item) {
  if (item.code() == 0) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(item.code()), item.message());
}

}  // namespace treadle::wire
