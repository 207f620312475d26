#pragma once

#include <cstdint>

namespace treadle {

// This process as the system sees it, by the names that Prometheus's clients agree on.
struct ProcessFigures {
  double cpu_seconds = 0;
  double start_seconds = 0;  // Unix time
  int64_t resident_bytes = 0;
  int64_t virtual_bytes = 0;
  int64_t threads = 0;
  int64_t open_descriptors = 0;
  int64_t descriptors_max = 0;
};

// What /proc does not tell is 0. Takes as long as there are descriptors.
ProcessFigures ReadProcess();

// Of these alone, at once.
int64_t ResidentBytes();

}  // namespace treadle
