#pragma once

#include <string>

namespace treadle::worker {

// "SIGSEGV"; "signal 34" where it has no name.
std::string SignalName(int signal);

}  // namespace treadle::worker
