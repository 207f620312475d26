#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "proto/support/task_id.h"
#include "proto/support/trace_context.h"
#include "server/engine/types.h"

namespace treadle::broker {

// What the spans of a task, or of a run, have in common.
struct Traced {
  TraceContext parent;  // that the task came with
  std::string state;    // its tracestate
  engine::Name queue;
  engine::Name type;
};

// A part of a sampled task's life that is over. Times are Unix time.
struct Span {
  enum class Kind : uint8_t { kTask, kWait, kAttempt };

  Kind kind = Kind::kTask;
  std::shared_ptr<const Traced> traced;
  TaskId task;
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
  engine::Token token{};     // kWait: of the lease that ended it; 0: the task ended
  int32_t attempt = 0;       // kAttempt: its number; kTask: how many began
  engine::Name worker = {};  // kAttempt
  // kTask: how it ended; kAttempt: so, too, or kFailed when it is tried again.
  engine::TaskState outcome{};
  std::string error_type = {};
  std::string error_message = {};
};

// How many spans were kept. What is lost is counted.
struct SpanFigures {
  int64_t written = 0;
  int64_t dropped = 0;         // they came faster than they are written, or the file fails
  int64_t untraced_tasks = 0;  // sampled, while too many were followed
};

// Where spans go.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  // From the broker's thread, both: must not block.
  virtual void Add(Span span) = 0;
  virtual void AddUntraced(int64_t tasks) = 0;
  // Any thread.
  virtual SpanFigures Figures() const = 0;
};

}  // namespace treadle::broker
