#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/internal/next_iterator.h"
#include "treadle/timeout.h"

// What a task says beside its result, while it runs and as long as its outcome is kept: lines of
// its log, its program's standard error, parts of its result.
//
//   treadle::TaskOutput output = future.Follow();
//   for (const treadle::OutputEntry& entry : output) std::cout << entry.data;
//   if (!output.status().ok()) ...

namespace treadle {

namespace client {
class FutureStateRef;
class OutputCalls;
}  // namespace client

// As in treadle/v1/output.proto.
enum class OutputKind {
  kUnknown = 0,        // of a newer broker
  kLog = 1,            // a line of the handler's log, or a few; UTF-8 as a rule
  kStandardError = 2,  // bytes that a program wrote; entries need not end where lines do
  kPart = 3,           // a part of the result
  kNotice = 4,         // the broker's own word: that it keeps no more of this attempt's output
};

struct OutputEntry {
  OutputEntry() = default;
  bool operator==(const OutputEntry&) const = default;

  // Its place in the task's output, from 0, over all attempts. One that is missing stands for what
  // was not kept.
  uint64_t offset = 0;
  int32_t attempt = 0;  // that said it, from 1
  // That attempt did not count any more when the entry was read: a later one had begun. One that
  // was read before that is told apart by a later entry's higher attempt.
  bool superseded = false;
  OutputKind kind = OutputKind::kUnknown;
  int64_t time_ms = 0;  // when it was said, by the worker's clock; Unix time
  std::string data;     // at most 1 MiB
  // Of a part: how `data` is encoded.
  std::string content_type;

  // A part's value, decoded as results are. INVALID_ARGUMENT: the entry is no part, or no T.
  template <typename T>
  absl::StatusOr<T> As() const {
    if (kind != OutputKind::kPart) {
      return absl::InvalidArgumentError("the entry is no part of a result: read its data");
    }
    return Codec<T>::Decode(data, content_type);
  }
};

struct FollowOptions {
  FollowOptions() {}

  // The first entry that is wanted: 0, or an earlier reader's next_offset().
  uint64_t from_offset = 0;
  // False: ends with what is there now, and with any error of a call.
  bool wait = true;
  // For all of it, from Follow on.
  Timeout timeout = kForever;
};

// Reads a task's output, each entry once and in order, to the end of the task: an input range,
// iterated once, that has no thread of its own. It asks the broker for some 256 KiB at a time, and
// keeps no more than that. Reading goes on by itself after a lost connection, a broker's restart,
// or a refusal for now; with a store in memory a restart ends it with NOT_FOUND.
//
// One thread at a time, but for Stop. May outlive the client, whose Shutdown ends it.
class [[nodiscard]] TaskOutput {
 public:
  // For Client::Follow and Future::Follow. `awaited`: read its task, once it is accepted; its
  // calls are null if it never was one.
  TaskOutput(std::unique_ptr<client::OutputCalls> calls, std::string task_id,
             const FollowOptions& options);
  TaskOutput(std::unique_ptr<client::OutputCalls> calls, client::FutureStateRef awaited,
             const FollowOptions& options);
  TaskOutput(TaskOutput&& other) noexcept;
  TaskOutput& operator=(TaskOutput&& other) noexcept;
  ~TaskOutput();

  // The next entry, waiting for it. None: there is no other, status() says why.
  std::optional<OutputEntry> Next();

  using Iterator = internal::NextIterator<TaskOutput, OutputEntry>;
  Iterator begin() { return Iterator(*this, current_); }
  std::default_sentinel_t end() const { return {}; }

  // Why there is no other entry:
  //   - OK: the task has ended, and all was read; without FollowOptions::wait also: there is no
  //     more now
  //   - NOT_FOUND: no such task, or its outcome is not kept any more, nor its output
  //   - DEADLINE_EXCEEDED: the timeout passed; follow it again from next_offset()
  //   - CANCELLED: Stop, or the client was shut down
  //   - UNAVAILABLE: ClientOptions::give_up_after passed without the broker
  //   - of a future that never became a task, the refusal
  // OK as well while entries come.
  const absl::Status& status() const;
  // The task has ended, and Next gave all of its output.
  bool ended() const;
  // Where another reader would go on.
  uint64_t next_offset() const;

  // From any thread: what waits here ends, now or when it begins. What was read already is still
  // given. REQUIRES: this is not moved meanwhile.
  void Stop();

 private:
  struct Impl;

  std::unique_ptr<Impl> impl_;
  std::optional<OutputEntry> current_;
};

}  // namespace treadle
