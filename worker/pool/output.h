#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace treadle::worker {

class Attempt;
class AttemptEvents;

enum class OutputKind : uint32_t {
  kLog,
  kStandardError,  // of a program
  kPart,           // of the result
};

// One thing that an attempt has said.
struct OutputEntry {
  OutputEntry() = default;
  // Said now.
  OutputEntry(OutputKind kind_in, std::string data_in, std::string content_type_in = {});

  OutputKind kind = OutputKind::kLog;
  int64_t time_ms = 0;       // Unix time
  std::string data;          // at most limits::kOutputEntryBytesMax
  std::string content_type;  // of a part
};

// Hands an entry to `events`. Waits while there is no room for it, at the longest until the attempt
// is told to stop.
void Say(const Attempt& attempt, AttemptEvents& events, OutputEntry entry);

// The same for text of any length, as several entries if need be: between characters, where it has
// some.
void SayText(const Attempt& attempt, AttemptEvents& events, OutputKind kind, std::string_view text);

}  // namespace treadle::worker
