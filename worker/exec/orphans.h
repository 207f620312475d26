#pragma once

#include <functional>

namespace treadle::worker {

// Runs `work` to its end. A process that stands in for init (a container's first one, or one that
// was made a subreaper) is given the processes whose parents have ended, programs' daemons among
// them, and nobody else would reap them: there `work` runs on another thread, and the calling one
// reaps meanwhile. What other threads have started is theirs to reap, and is left alone.
//
// REQUIRES: called on the main thread, which is the one that the system gives them to, and before
// other threads are started that do not block SIGCHLD.
void WithoutOrphans(const std::function<void()>& work);

}  // namespace treadle::worker
