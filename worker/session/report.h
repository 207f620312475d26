#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "treadle/internal/attempt_result.h"
#include "treadle/v1/worker_service.pb.h"

namespace treadle::worker {

// How attempts ended, the way that the broker accepts it: text becomes UTF-8 and is cut to its
// bounds, control characters in names become spaces; a result of more than `payload_bytes_max`
// bytes becomes the error "ResultTooLarge".

// One that succeeded.
struct SuccessReport {
  uint64_t token = 0;
  std::string result;
  std::string content_type;
};

std::variant<SuccessReport, v1::AttemptReport> ReportOf(uint64_t token, AttemptResult result,
                                                        int64_t payload_bytes_max);

// Adds them to the message, those that follow one another as runs.
void WriteRuns(std::vector<SuccessReport> successes, v1::AttachRequest& request);
// Takes the message's runs apart again.
std::vector<SuccessReport> TakeRuns(v1::AttachRequest& request);

// About how many bytes it takes in a message.
int64_t ReportBytes(const SuccessReport& report);
int64_t ReportBytes(const v1::AttemptReport& report);

}  // namespace treadle::worker
