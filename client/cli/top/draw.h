#pragma once

#include <cstdint>

#include "client/cli/top/canvas.h"
#include "client/cli/top/model.h"

namespace treadle::cli::top {

// The whole screen: how the broker is, the page, and, where keys are pressed, what they do. At most
// the canvas's rows, and exactly these where keys are pressed. `now_ms`: as the model's.
Lines Draw(const Model& model, const Canvas& canvas, int64_t now_ms);

}  // namespace treadle::cli::top
