#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/future/encoded_task.h"

namespace treadle::client {

// Writes v1::TaskRuns: one for each stretch of tasks that follow one another and have all but their
// payloads and keys in common. One thread.
class RunWriter {
 public:
  // Appends the runs to `message`, in this field of it.
  RunWriter(std::string& message, int field) : message_(message), field_(field) {}
  // Finish was called, or nothing was added.
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  // At least as many bytes as the message has with all that was added, and with this task.
  size_t BytesWith(const EncodedTask& task) const;
  static size_t BytesMax(const EncodedTask& task);
  // `task` stays as it is until Finish.
  void Add(uint64_t sequence, const EncodedTask& task);
  void Finish();

 private:
  bool GoesOn(uint64_t sequence, const EncodedTask& task) const;

  std::string& message_;
  const int field_;
  // The run that is under way.
  uint64_t first_sequence_ = 0;
  std::vector<const EncodedTask*> tasks_;
  size_t payload_bytes_ = 0;
  size_t bytes_max_ = 0;
};

}  // namespace treadle::client
