#pragma once

#include "client/cli/view.h"

namespace treadle::cli {

extern const View<v1::Task> kTaskView;
extern const View<v1::Outcome> kOutcomeView;

}  // namespace treadle::cli
