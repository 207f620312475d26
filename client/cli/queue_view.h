#pragma once

#include <string>

#include "client/cli/view.h"

#include "treadle/v1/queue_service.pb.h"

namespace treadle::cli {

extern const View<v1::Queue> kQueueView;
// "open", "paused", "closed", "closed, paused".
std::string QueueState(const v1::Queue& queue);

}  // namespace treadle::cli
