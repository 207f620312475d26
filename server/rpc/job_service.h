#pragma once

#include "server/rpc/methods.h"

namespace treadle::rpc {

// treadle.v1.JobService.
void ServeJobs(Methods& methods);

}  // namespace treadle::rpc
