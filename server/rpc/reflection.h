#pragma once

#include "server/rpc/methods.h"

namespace treadle::rpc {

// grpc.reflection.v1alpha, for tools that ask a server what it serves. gRPC's own has a thread
// blocked for each open stream, and one that is not read takes the last of them for ever.
void ServeReflection(Methods& methods);

}  // namespace treadle::rpc
