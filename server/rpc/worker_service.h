#pragma once

#include "server/rpc/methods.h"

namespace treadle::rpc {

void ServeWorkers(Methods& methods);

}  // namespace treadle::rpc
