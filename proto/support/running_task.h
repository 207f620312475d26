#pragma once

#include <functional>
#include <map>
#include <string>

namespace treadle {

// The task whose handler runs on this thread, while this lives. A worker makes one around each
// call, or turn, of a handler; a client looks for it when something is submitted, and so passes the
// trace context on. Neither knows the other. Nests.
class RunningTask {
 public:
  using Headers = std::map<std::string, std::string, std::less<>>;

  // `headers` outlive it.
  explicit RunningTask(const Headers& headers);
  ~RunningTask();
  RunningTask(const RunningTask&) = delete;
  RunningTask& operator=(const RunningTask&) = delete;

  // Of this thread's task; null: no handler runs on it.
  static const Headers* HeadersHere();

 private:
  const Headers* const outer_;
};

}  // namespace treadle
