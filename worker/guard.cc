#include "treadle/guard.h"

#include "worker/pool/process/guard.h"

namespace treadle {

absl::StatusOr<std::shared_ptr<worker::Guard>> StartGuard() { return worker::Guard::Start(); }

}  // namespace treadle
