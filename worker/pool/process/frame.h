#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "treadle/internal/attempt_result.h"
#include "worker/pool/attempt.h"
#include "worker/pool/handler_meter.h"
#include "worker/pool/output.h"

// What a process pool and its children say to each other, over a stream socket.
//
// A frame is a FrameHeader, then `head_bytes` that describe, then `body_bytes` of payload or
// result. Both ends are the same binary on the same machine: numbers travel as they lie in memory.

namespace treadle::worker {

enum class FrameKind : uint32_t {
  kSetup,     // to the child, first: ChildSetup
  kReady,     // from the child, first: its start token; the body is an error, or empty
  kRun,       // to the child: AttemptId, AttemptInfo, and the payload
  kProgress,  // from the child: a fraction; the body is the message
  kOutput,    // from the child: an OutputEntry; the body is its data
  kResult,    // from the child: how the run ended, and the result or the error's details
};

struct FrameHeader {
  uint32_t mark = 0;  // kFrameMark
  FrameKind kind{};
  uint64_t run = 0;  // which run of this child's it is about, from 1
  uint64_t body_bytes = 0;
  uint32_t head_bytes = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(FrameHeader) == 32 && std::is_trivially_copyable_v<FrameHeader>);

// Beyond these a peer has lost its way.
inline constexpr uint32_t kFrameHeadBytesMax = 1 << 20;
inline constexpr uint64_t kFrameBodyBytesMax = uint64_t{1} << 30;

struct Frame {
  FrameKind kind{};
  uint64_t run = 0;
  std::string head;
  std::string body;
};

// The header and the head, as they are sent; the body follows by itself. REQUIRES: both are within
// their bounds.
std::string FrameStart(FrameKind kind, uint64_t run, std::string_view head, uint64_t body_bytes);

// Takes a stream apart into frames. Bodies are read to where they stay.
class FrameReader {
 public:
  enum class Got {
    kSome,
    kNothing,  // now
    kEnd,      // nothing will come any more
  };

  // Receives once from a socket.
  Got Receive(int socket);
  // True: `frame` is the next whole one.
  bool Next(Frame& frame);
  // The number of the frame that has begun to arrive; 0: none has.
  uint64_t arriving() const { return have_header_ ? frame_.run : 0; }
  // What came was no frame: what comes after it has no meaning.
  bool broken() const { return broken_; }

 private:
  size_t buffered() const { return end_ - begin_; }
  bool TakeHeader();
  bool Fill(std::string& part, uint64_t bytes);

  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool have_header_ = false;
  bool broken_ = false;
  FrameHeader header_;
  Frame frame_;  // arriving
};

// What a child is told when it starts.
struct ChildSetup {
  int32_t number = 0;            // from 0
  int64_t memory_bytes_max = 0;  // 0: no bound
  int64_t cpu_seconds_max = 0;   // of one run; 0: no bound
};
static_assert(std::is_trivially_copyable_v<ChildSetup>);

// A frame's head. The readers return false for what is none.
std::string WriteSetup(const ChildSetup& setup);
bool ReadSetup(std::string_view head, ChildSetup& setup);
std::string WriteInfo(const AttemptId& id, const AttemptInfo& info);
bool ReadInfo(std::string_view head, AttemptId& id, AttemptInfo& info);
std::string WriteFraction(double fraction);
bool ReadFraction(std::string_view head, double& fraction);
// Without the data, which are the frame's body.
std::string WriteOutput(const OutputEntry& entry);
bool ReadOutput(Frame frame, OutputEntry& entry);
// Without the bytes, which are the frame's body. A message longer than an error's may be is cut.
std::string WriteResult(const AttemptResult& result, const RunTimes& times);
bool ReadResult(Frame frame, AttemptResult& result, RunTimes& times);

}  // namespace treadle::worker
