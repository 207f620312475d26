#pragma once

#include "server/rpc/methods.h"

namespace treadle::rpc {

void ServeAdmin(Methods& methods);

}  // namespace treadle::rpc
