#pragma once

#include <cstdint>
#include <string>

namespace treadle::cli {

// How far a map is, at one moment.
struct MapProgress {
  int64_t done = 0;    // ended, failed ones included
  int64_t failed = 0;  // of these
  int64_t total = 0;   // items known so far
  bool total_is_final = false;
  int64_t elapsed_ms = 0;
};

// One line that fits `width` columns, without a newline:
//   [########------------]  402/1000  40%  312/s  2 failed  ETA 1.9s
std::string ProgressLine(const MapProgress& progress, int width);

}  // namespace treadle::cli
