#include "worker/pool/process/frame.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include <sys/socket.h>

#include "proto/support/assert.h"
#include "proto/support/limits.h"
#include "proto/support/utf8.h"

namespace treadle::worker {
namespace {

constexpr uint32_t kFrameMark = 0x7264'6C31;
constexpr size_t kBufferBytes = size_t{64} << 10;
constexpr size_t kErrorTypeBytesMax = 1024;

// Most heads are not larger.
constexpr size_t kHeadBytes = 256;

class HeadWriter {
 public:
  HeadWriter() { head_.reserve(kHeadBytes); }

  template <typename T>
  HeadWriter& Number(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    head_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  HeadWriter& Text(std::string_view text) {
    Number(static_cast<uint32_t>(text.size()));
    head_.append(text);
    return *this;
  }
  template <typename T>
  HeadWriter& Optional(const std::optional<T>& value) {
    return Number(static_cast<uint8_t>(value.has_value())).Number(value.value_or(0));
  }
  std::string Take() { return std::move(head_); }

 private:
  std::string head_;
};

class HeadReader {
 public:
  explicit HeadReader(std::string_view head) : rest_(head) {}

  template <typename T>
  HeadReader& Number(T& value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    if (rest_.size() < sizeof(value)) return Fail();
    std::memcpy(&value, rest_.data(), sizeof(value));
    rest_.remove_prefix(sizeof(value));
    return *this;
  }
  HeadReader& Text(std::string& text) {
    uint32_t size = 0;
    Number(size);
    if (rest_.size() < size) return Fail();
    text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return *this;
  }
  template <typename T>
  HeadReader& Optional(std::optional<T>& value) {
    uint8_t has = 0;
    T read{};
    Number(has).Number(read);
    value = has != 0 ? std::optional(read) : std::nullopt;
    return *this;
  }
  // Everything was there, and nothing else.
  bool Complete() const { return ok_ && rest_.empty(); }

 private:
  HeadReader& Fail() {
    ok_ = false;
    rest_ = {};
    return *this;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string FrameStart(FrameKind kind, uint64_t run, std::string_view head, uint64_t body_bytes) {
  TREADLE_ASSERT(head.size() <= kFrameHeadBytesMax && body_bytes <= kFrameBodyBytesMax);
  FrameHeader header;
  header.mark = kFrameMark;
  header.kind = kind;
  header.run = run;
  header.head_bytes = static_cast<uint32_t>(head.size());
  header.body_bytes = body_bytes;
  std::string start;
  start.reserve(sizeof(header) + head.size());
  start.append(reinterpret_cast<const char*>(&header), sizeof(header)).append(head);
  return start;
}

FrameReader::Got FrameReader::Receive(int socket) {
  char* into;
  size_t bytes;
  // A large body goes to its place without a stop in the buffer.
  const uint64_t missing =
      have_header_ && frame_.head.size() == header_.head_bytes && buffered() == 0
          ? header_.body_bytes - frame_.body.size()
          : 0;
  const bool direct = missing >= kBufferBytes;
  const size_t had = frame_.body.size();
  if (direct) {
    bytes = std::min<size_t>(missing, size_t{256} << 10);
    frame_.body.reserve(header_.body_bytes);
    frame_.body.resize(had + bytes);
    into = frame_.body.data() + had;
  } else {
    buffer_.resize(kBufferBytes);
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == buffer_.size()) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, buffered());
      end_ -= std::exchange(begin_, 0);
    }
    into = buffer_.data() + end_;
    bytes = buffer_.size() - end_;
  }
  ssize_t got;
  do {
    got = ::recv(socket, into, bytes, 0);
  } while (got < 0 && errno == EINTR);
  const int error = errno;
  const size_t received = static_cast<size_t>(std::max<ssize_t>(got, 0));
  if (direct) {
    frame_.body.resize(had + received);
  } else {
    end_ += received;
  }
  if (got > 0) return Got::kSome;
  return got < 0 && (error == EAGAIN || error == EWOULDBLOCK) ? Got::kNothing : Got::kEnd;
}

bool FrameReader::TakeHeader() {
  if (buffered() < sizeof(header_)) return false;
  std::memcpy(&header_, buffer_.data() + begin_, sizeof(header_));
  begin_ += sizeof(header_);
  if (header_.mark != kFrameMark || header_.head_bytes > kFrameHeadBytesMax ||
      header_.body_bytes > kFrameBodyBytesMax) {
    broken_ = true;
    return false;
  }
  frame_.kind = header_.kind;
  frame_.run = header_.run;
  frame_.head.clear();
  frame_.body.clear();
  have_header_ = true;
  return true;
}

bool FrameReader::Fill(std::string& part, uint64_t bytes) {
  const size_t taken = std::min<size_t>(bytes - part.size(), buffered());
  part.append(buffer_.data() + begin_, taken);
  begin_ += taken;
  return part.size() == bytes;
}

bool FrameReader::Next(Frame& frame) {
  if (broken_ || (!have_header_ && !TakeHeader())) return false;
  if (!Fill(frame_.head, header_.head_bytes) || !Fill(frame_.body, header_.body_bytes)) {
    return false;
  }
  have_header_ = false;
  frame = std::move(frame_);
  return true;
}

std::string WriteSetup(const ChildSetup& setup) {
  return HeadWriter()
      .Number(setup.number)
      .Number(setup.memory_bytes_max)
      .Number(setup.cpu_seconds_max)
      .Take();
}

bool ReadSetup(std::string_view head, ChildSetup& setup) {
  return HeadReader(head)
      .Number(setup.number)
      .Number(setup.memory_bytes_max)
      .Number(setup.cpu_seconds_max)
      .Complete();
}

std::string WriteInfo(const AttemptId& id, const AttemptInfo& info) {
  HeadWriter head;
  head.Number(id.token)
      .Number(info.attempt)
      .Number(info.max_attempts)
      .Number(info.priority)
      .Number(static_cast<int64_t>(info.timeout.count()))
      // The steady clock is the machine's, the same in every process.
      .Number(static_cast<int64_t>(info.deadline ? info.deadline->time_since_epoch().count() : 0))
      .Text(id.task_id)
      .Text(info.queue)
      .Text(info.type)
      .Text(info.content_type)
      .Number(static_cast<uint32_t>(info.headers.size()));
  for (const auto& [name, value] : info.headers) head.Text(name).Text(value);
  return head.Take();
}

bool ReadInfo(std::string_view text, AttemptId& id, AttemptInfo& info) {
  HeadReader head(text);
  int64_t timeout = 0, deadline = 0;
  uint32_t headers = 0;
  head.Number(id.token)
      .Number(info.attempt)
      .Number(info.max_attempts)
      .Number(info.priority)
      .Number(timeout)
      .Number(deadline)
      .Text(id.task_id)
      .Text(info.queue)
      .Text(info.type)
      .Text(info.content_type)
      .Number(headers);
  info.timeout = std::chrono::milliseconds(timeout);
  if (deadline != 0) {
    info.deadline = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline));
  }
  // Each takes eight bytes at least, so that a wrong number does not count for long.
  for (uint32_t i = 0; i < std::min<size_t>(headers, text.size() / 8); ++i) {
    std::string name, value;
    head.Text(name).Text(value);
    info.headers.emplace(std::move(name), std::move(value));
  }
  return head.Complete();
}

std::string WriteFraction(double fraction) { return HeadWriter().Number(fraction).Take(); }

bool ReadFraction(std::string_view head, double& fraction) {
  return HeadReader(head).Number(fraction).Complete();
}

std::string WriteOutput(const OutputEntry& entry) {
  return HeadWriter().Number(entry.kind).Number(entry.time_ms).Text(entry.content_type).Take();
}

bool ReadOutput(Frame frame, OutputEntry& entry) {
  const bool complete = HeadReader(frame.head)
                            .Number(entry.kind)
                            .Number(entry.time_ms)
                            .Text(entry.content_type)
                            .Complete();
  if (!complete || entry.kind > OutputKind::kPart ||
      std::ssize(frame.body) > limits::kOutputEntryBytesMax) {
    return false;
  }
  entry.data = std::move(frame.body);
  return true;
}

std::string WriteResult(const AttemptResult& result, const RunTimes& times) {
  const std::string message = result.error_message.size() > limits::kErrorMessageBytesMax
                                  ? CutMiddle(result.error_message, limits::kErrorMessageBytesMax)
                                  : result.error_message;
  return HeadWriter()
      .Number(result.end)
      .Number(static_cast<uint8_t>(result.permanent))
      .Number(times.cpu_ns)
      .Number(times.wall_ns)
      .Text(std::string_view(result.content_type).substr(0, kErrorTypeBytesMax))
      .Text(std::string_view(result.error_type).substr(0, kErrorTypeBytesMax))
      .Text(message)
      .Optional(result.exit_code)
      .Optional(result.signal)
      .Optional(result.retry_after_ms)
      .Take();
}

bool ReadResult(Frame frame, AttemptResult& result, RunTimes& times) {
  uint8_t permanent = 0;
  const bool complete = HeadReader(frame.head)
                            .Number(result.end)
                            .Number(permanent)
                            .Number(times.cpu_ns)
                            .Number(times.wall_ns)
                            .Text(result.content_type)
                            .Text(result.error_type)
                            .Text(result.error_message)
                            .Optional(result.exit_code)
                            .Optional(result.signal)
                            .Optional(result.retry_after_ms)
                            .Complete();
  if (!complete || result.end < AttemptEnd::kSucceeded || result.end > AttemptEnd::kReleased) {
    return false;
  }
  result.permanent = permanent != 0;
  result.bytes = std::move(frame.body);
  return true;
}

}  // namespace treadle::worker
