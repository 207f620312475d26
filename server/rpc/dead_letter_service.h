#pragma once

#include "server/rpc/methods.h"

namespace treadle::rpc {

// treadle.v1.DeadLetterService.
void ServeDeadLetters(Methods& methods);

}  // namespace treadle::rpc
