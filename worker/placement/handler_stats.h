#pragma once

#include "treadle/v1/worker_service.pb.h"
#include "worker/placement/placement.h"
#include "worker/pool/handlers.h"

namespace treadle::worker {

using HandlerStatsList = google::protobuf::RepeatedPtrField<v1::HandlerStats>;

// What the broker is told of the handlers: by type, in alphabetical order, and as many as it takes.
HandlerStatsList WriteHandlerStats(const Handlers& handlers, const Placement& placement);

// Nothing has changed since.
bool Unchanged(const HandlerStatsList& before, const HandlerStatsList& now);

}  // namespace treadle::worker
