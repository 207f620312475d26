#pragma once

#include <functional>

#include "worker/pool/handlers.h"
#include "worker/pool/process/parent_link.h"

namespace treadle::worker {

// The life of a process pool's child: runs what its parent sends, one after the other, on the
// calling thread, and ends the process when the parent has no more, without running destructors.
// `initializer` comes first, with the child's number; may be empty. When it throws, the child says
// so and ends.
//
// A second thread hears the parent's stop orders, and the parent's own end, with which the child
// and the processes that it has started end too (they are one process group).
[[noreturn]] void ServeParent(const Handlers& handlers,
                              const std::function<void(int)>& initializer);

}  // namespace treadle::worker
