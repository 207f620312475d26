#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "client/cli/exit_code.h"

namespace treadle::cli {

// What has become of the items of a run, one line for each whose result was printed, and kept where
// that was asked for, or that was cancelled; as GNU parallel writes it (tabs between the columns):
//
//   Seq Host Starttime JobRuntime Send Receive Exitval Signal Command
//
// Host is the worker, where it is known, or ":". Starttime (seconds since 1970) and JobRuntime
// (seconds) count from the submit, so they have the wait for a worker in them. Exitval is 255 for a
// failure that is no program's, and -1 for an item that was cancelled, which has not been run as
// far as --resume cares. Newlines in a command are NUL bytes. The first line ends with the run's
// name, which makes the same request keys when the run is resumed: so nothing is run twice.
class JobLog {
 public:
  struct Line {
    int64_t number = 0;
    std::string host;
    int64_t started_at_ms = 0;  // Unix time
    int64_t took_ms = 0;
    int64_t sent_bytes = 0;
    int64_t received_bytes = 0;
    int32_t exit_code = 0;
    int32_t signal = 0;
    std::string command;
  };
  // Of one item, before.
  struct Past {
    int64_t lines = 0;
    bool ended = false;   // the last line's attempt was not cancelled
    bool failed = false;  // and came to no good end
  };

  // `go_on`: reads what is there and appends to it; otherwise begins anew. `run`: the run's name;
  // empty: the file's own, or a new one. FAILED_PRECONDITION: to go on with what is no job log, or
  // one of another run.
  static absl::StatusOr<std::shared_ptr<JobLog>> Open(const std::string& path, bool go_on,
                                                      std::string run);

  const std::string& run() const { return run_; }
  Past PastOf(int64_t number) const;
  // Thread-safe. What could not be written is told by Close.
  void Add(const Line& line);
  absl::Status Close();

 private:
  JobLog() = default;
  // False: there is no such file, or nothing in it.
  absl::StatusOr<bool> Read();
  void ReadLine(const std::string& line);

  std::string path_;
  std::string run_;
  bool cut_ = false;                        // its last line has no end
  std::unordered_map<int64_t, Past> past_;  // of those that have any
  std::mutex mutex_;
  std::ofstream file_;  // GUARDED_BY(mutex_)
};

}  // namespace treadle::cli
