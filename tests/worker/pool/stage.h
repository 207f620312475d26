#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "worker/pool/handlers.h"
#include "worker/pool/process/guard.h"

namespace treadle::worker {

// What a test and the handlers that it runs see of each other, in whatever process these are:
// memory that all of them share.
struct Stage {
  std::atomic<bool> door_open;
  std::atomic<int> present;  // at the meeting
  std::atomic<int> running;
  std::atomic<int> most_running;
  std::atomic<int> marks;
  std::atomic<int64_t> process;  // of the handler that last said so
  std::atomic<int64_t> helper;   // a process that a handler has started
  std::atomic<int64_t> child;    // a pool's
  std::atomic<int64_t> guard;

  // A new one, which processes that are started from now on find too.
  static std::shared_ptr<Stage> New();
  // The one of the process that started this one.
  static std::shared_ptr<Stage> Found();
};

// Far beyond what anything here takes: only a test that would fail anyway waits so long.
inline constexpr std::chrono::seconds kGenerous{60};

// True: `condition` has come true in time.
template <typename Condition>
bool WaitUntil(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + kGenerous;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// The handlers of the conformance suite:
//   echo           returns its payload
//   wait           until the door is open
//   wait_for_stop  until it is told to stop; fails then
//   meet           waits until as many as its payload says run at the same time: "met"
//   count          counts how many run at the same time
//   throw          std::out_of_range
//   mark           counts its runs
//   report         progress
//   say            a line, an error and a part: "line", "error", "part"
//   describe       returns all that it is told about the task
// and further ones for process pools:
//   segfault, abort, kill, exit, hog   die, each in its way
//   spin           computes, and never looks
//   stubborn       ignores SIGTERM, and never looks
//   say_much       100 lines of 100,000 bytes each, more than a socket holds: MuchSaid
//   say_and_abort  the same, and dies
//   program        StartProgram, in a place of its parent's guard, and waits for the door
//   helper         starts a process that outlives its handler, and waits for the door
void AddStageHandlers(Handlers& handlers, const std::shared_ptr<Stage>& stage);

// Those of the conformance suite as coroutines, and
//   block          blocks the loop, as no coroutine should, until the door is open
//   nap            sleeps as many milliseconds as its payload says
void AddStageCoroutines(Handlers& handlers, const std::shared_ptr<Stage>& stage);

// Starts a program in a group of its own, which that place is given, and which starts another: they
// are the stage's process and helper. False: the system refuses.
bool StartProgram(Stage& stage, const Guard::Place& place);

// Of `say`.
void SayAll(TaskContext& context);
// Of `say_much`.
std::vector<std::string> MuchSaid();
// Of `describe`.
std::string Describe(const TaskContext& context);

}  // namespace treadle::worker
