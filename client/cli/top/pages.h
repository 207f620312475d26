#pragma once

#include "client/cli/top/canvas.h"
#include "client/cli/top/model.h"

namespace treadle::cli::top {

// What stands between the header and the last line: at most the canvas's rows.
Lines DrawPage(const Model& model, const Canvas& canvas);

}  // namespace treadle::cli::top
