#pragma once

#include "client/cli/view.h"

#include "treadle/v1/explain.pb.h"

namespace treadle::cli {

extern const View<v1::ExplainTaskResponse> kExplanationView;
extern const View<v1::ExplainSubmitResponse> kForecastView;

}  // namespace treadle::cli
