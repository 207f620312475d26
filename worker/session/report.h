#pragma once

#include <cstdint>

#include "treadle/internal/attempt_result.h"
#include "treadle/v1/worker_service.pb.h"

namespace treadle::worker {

// Writes how an attempt ended the way that the broker accepts it: text becomes UTF-8 and is cut to
// its bounds, control characters in names become spaces; a result of more than `payload_bytes_max`
// bytes becomes the error "ResultTooLarge".
void WriteReport(uint64_t token, AttemptResult result, int64_t payload_bytes_max,
                 v1::AttemptReport& report);

// About how many bytes it takes in a message.
int64_t ReportBytes(const v1::AttemptReport& report);

}  // namespace treadle::worker
