#pragma once

#include "server/rpc/methods.h"

namespace treadle::rpc {

void ServeTasks(Methods& methods);

}  // namespace treadle::rpc
