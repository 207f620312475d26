#pragma once

#include <string_view>

namespace treadle::worker {

// Makes a process that a test starts one of these, which starts `sh` under a guard, which starts
// `sleep`, and then waits for the stage's door:
//   program  by itself; with the door open it ends by _exit(3)
//   pool     in the child of a process pool
inline constexpr char kGuardedVariable[] = "TREADLE_TEST_GUARDED";

[[noreturn]] void RunGuarded(std::string_view how);

}  // namespace treadle::worker
