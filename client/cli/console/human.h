#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

// Quantities as people write and read them.

namespace treadle::cli {

// "1,234,567".
std::string HumanNumber(int64_t number);
// "1 task", "2 tasks".
std::string HumanCount(int64_t count, const std::string& noun);
// "0 B", "999 B", "1.2 KiB", "4.0 MiB".
std::string HumanBytes(int64_t bytes);
// Two units at most: "80ms", "3.2s", "4m05s", "2h10m", "3d4h".
std::string HumanDuration(int64_t ms);
// How long ago that was, and how long it is until then, by this machine's clock: "0ms" where a
// broker's clock is ahead of it, or the time is past.
std::string HumanAge(int64_t unix_ms);
std::string HumanTimeLeft(int64_t unix_ms);
// "2025-03-01 14:05:09 (3m05s ago)"; empty for 0.
std::string HumanTimeAndAge(int64_t unix_ms);
// "0.4/s", "37/s", "1.2k/s", "3.4M/s".
std::string HumanRate(double per_second);
// The last `width` values as bars, "▁▂▅█", of which the highest is full. A value above 0 is no
// blank.
std::string Sparkline(const std::vector<double>& values, int width);
// In the local time zone: "2025-03-01 14:05:09".
std::string HumanTime(int64_t unix_ms);

// RFC 3339 ("2025-03-01T14:05:00Z", "...+02:00"), or local time ("2025-03-01 14:05", with seconds
// if wanted). INVALID_ARGUMENT otherwise, and beyond what std::chrono::system_clock holds.
absl::StatusOr<int64_t> ParseTimeMs(const std::string& text);

// On one line and harmless to a terminal: control characters become escapes ("\n", "\x1b").
std::string Printable(const std::string& text);
// Text that may be long, a program's errors say: beyond one of these it loses its middle, and tells
// its size.
inline constexpr size_t kShortBytesMax = 1'000;
inline constexpr size_t kShortLinesMax = 16;
std::string Shortened(const std::string& text);
// As one word of a shell's command line.
std::string ShellWord(const std::string& text);
// Columns that UTF-8 text takes on a terminal.
int DisplayWidth(const std::string& text);
// At most `width` columns, with "..." at the end where something was cut.
std::string CutToWidth(const std::string& text, int width);
// The same with "..." in the middle.
std::string CutMiddleToWidth(const std::string& text, int width);

}  // namespace treadle::cli
