#pragma once

#include <cstdint>

#include <sys/resource.h>

namespace treadle {

// How many descriptors (open files, sockets) this process may have.
struct DescriptorLimit {
  int64_t before;  // when it was started
  int64_t now;
};

// Raises the soft limit to the hard one, but not beyond a million. Call it in main(). Where the
// system refuses, `now` is what it was.
DescriptorLimit RaiseDescriptorLimit();

// What this process was started with, for what it starts itself: programs that use select() must
// not get numbers above 1,023 without having asked for them. Thread-safe.
rlimit FirstDescriptorLimit();

}  // namespace treadle
