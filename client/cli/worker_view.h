#pragma once

#include "client/cli/view.h"

#include "treadle/v1/admin_service.pb.h"

namespace treadle::cli {

extern const View<v1::Worker> kWorkerView;
extern const View<v1::Drain> kDrainView;

}  // namespace treadle::cli
