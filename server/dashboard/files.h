#pragma once

#include "absl/types/span.h"

#include "server/http/pages.h"

namespace treadle::dashboard {

// What bundle.sh makes, as it is built into this program. None: built with TREADLE_DASHBOARD=OFF.
absl::Span<const http::PageFile> Files();

}  // namespace treadle::dashboard
