#pragma once

#include "server/rpc/methods.h"

namespace treadle::rpc {

void ServeQueues(Methods& methods);

}  // namespace treadle::rpc
