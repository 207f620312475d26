#include "client/cli/console/human.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <locale.h>
#include <string_view>
#include <vector>
#include <wchar.h>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include <fmt/format.h>

#include "proto/support/utf8.h"

namespace treadle::cli {
namespace {

using std::chrono::system_clock;

constexpr int64_t kSecond = 1'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;

// wcwidth asks the locale; terminals of today speak UTF-8, whatever LANG says.
int ColumnsOf(wchar_t code) {
  static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = ::uselocale(utf8);
  const int columns = ::wcwidth(code);
  ::uselocale(before);
  return std::max(0, columns);
}

struct Glyph {
  size_t bytes;
  int columns;
};

// The character that starts at `at`. What is not UTF-8 counts one column for each byte.
Glyph NextGlyph(const std::string& text, size_t at) {
  const size_t length = Utf8Length(std::string_view(text).substr(at));
  if (length <= 1) return {1, 1};
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  auto code = static_cast<wchar_t>(byte(0) & (0x7f >> length));
  for (size_t i = 1; i < length; i++) code = (code << 6) | (byte(i) & 0x3f);
  return {length, ColumnsOf(code)};
}

constexpr char kCut[] = "...";
constexpr int kCutColumns = 3;

// As many characters as fit.
std::string FirstColumns(const std::string& text, int width) {
  int room = std::max(0, width);
  size_t at = 0;
  while (at < text.size()) {
    const Glyph glyph = NextGlyph(text, at);
    if (glyph.columns > room) break;
    room -= glyph.columns;
    at += glyph.bytes;
  }
  return text.substr(0, at);
}

int64_t NowUnixMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

std::string HumanNumber(int64_t number) {
  std::string digits = std::to_string(number);
  const std::ptrdiff_t first = number < 0 ? 2 : 1;
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at >= first; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string HumanCount(int64_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string HumanBytes(int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    if (value < 1023.95) break;
    value /= 1024;
    unit = next;
  }
  return value < 99.95 ? fmt::format("{:.1f} {}", value, unit)
                       : fmt::format("{:.0f} {}", value, unit);
}

std::string HumanAge(int64_t unix_ms) {
  return HumanDuration(std::max<int64_t>(0, NowUnixMs() - unix_ms));
}

std::string HumanTimeLeft(int64_t unix_ms) {
  return HumanDuration(std::max<int64_t>(0, unix_ms - NowUnixMs()));
}

std::string HumanTimeAndAge(int64_t unix_ms) {
  return unix_ms == 0 ? "" : fmt::format("{} ({} ago)", HumanTime(unix_ms), HumanAge(unix_ms));
}

std::string HumanDuration(int64_t ms) {
  if (ms < 0) return "-" + HumanDuration(-ms);
  if (ms < kSecond) return fmt::format("{}ms", ms);
  if (ms < 10 * kSecond) return fmt::format("{}.{}s", ms / 1000, ms % 1000 / 100);
  if (ms < kMinute) return fmt::format("{}s", ms / kSecond);
  if (ms < kHour) return fmt::format("{}m{:02}s", ms / kMinute, ms % kMinute / kSecond);
  if (ms < kDay) return fmt::format("{}h{:02}m", ms / kHour, ms % kHour / kMinute);
  const int64_t hours = ms % kDay / kHour;
  return hours == 0 ? fmt::format("{}d", ms / kDay) : fmt::format("{}d{}h", ms / kDay, hours);
}

std::string HumanRate(double per_second) {
  if (per_second < 9.95) return fmt::format("{:.1f}/s", per_second);
  if (per_second < 999.5) return fmt::format("{:.0f}/s", per_second);
  if (per_second < 999'500) return fmt::format("{:.1f}k/s", per_second / 1e3);
  return fmt::format("{:.1f}M/s", per_second / 1e6);
}

std::string Sparkline(const std::vector<double>& values, int width) {
  static constexpr std::array<const char*, 9> kBars = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const size_t shown = std::min(values.size(), static_cast<size_t>(std::max(0, width)));
  const auto first = values.end() - static_cast<std::ptrdiff_t>(shown);
  const double most = shown == 0 ? 0 : *std::max_element(first, values.end());
  std::string bars;
  for (auto value = first; value != values.end(); ++value) {
    const bool any = *value > 0 && most > 0;
    bars += kBars[any ? std::clamp<size_t>(std::lround(*value / most * 8), 1, 8) : 0];
  }
  return bars;
}

std::string HumanTime(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(unix_ms),
                          absl::LocalTimeZone());
}

absl::StatusOr<int64_t> ParseTimeMs(const std::string& text) {
  absl::Time time;
  std::string ignored;
  for (const char* format : {"%Y-%m-%dT%H:%M:%E*S%Ez", "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M",
                             "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%dT%H:%M"}) {
    if (!absl::ParseTime(format, text, absl::LocalTimeZone(), &time, &ignored)) continue;
    if (time < absl::FromChrono(system_clock::time_point::min()) ||
        time > absl::FromChrono(system_clock::time_point::max())) {
      return absl::InvalidArgumentError(
          fmt::format("'{}' is out of bounds: from the year 1678 to 2261", Printable(text)));
    }
    return absl::ToUnixMillis(time);
  }
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is not a time: write 2025-03-01T14:05:00Z, or '2025-03-01 14:05' for local time",
      Printable(text)));
}

std::string Printable(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8Length(std::string_view(text).substr(at));
    const std::string glyph = text.substr(at, std::max<size_t>(1, length));
    at += glyph.size();
    if (IsPrintableUtf8(glyph)) {
      out += glyph;
    } else if (glyph == "\n") {
      out += "\\n";
    } else if (glyph == "\t") {
      out += "\\t";
    } else {
      for (char c : glyph) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string Shortened(const std::string& text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (text.size() <= kShortBytesMax && lines.size() <= kShortLinesMax) return text;
  if (lines.size() > kShortLinesMax) {
    constexpr int kFirst = 2;  // what is wrong; the rest is a program's last words
    constexpr int kLast = static_cast<int>(kShortLinesMax) - kFirst - 1;
    lines[kFirst] = "[...]";
    lines.erase(lines.begin() + kFirst + 1, lines.end() - kLast);
  }
  return fmt::format("{} ({} in all: -o json)",
                     CutMiddle(absl::StrJoin(lines, "\n"), kShortBytesMax),
                     HumanBytes(static_cast<int64_t>(text.size())));
}

std::string ShellWord(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_-./:@%+,=").find(c) != std::string_view::npos;
  });
  return plain ? text : absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

int DisplayWidth(const std::string& text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) {
    Glyph glyph = NextGlyph(text, at);
    width += glyph.columns;
    at += glyph.bytes;
  }
  return width;
}

std::string CutToWidth(const std::string& text, int width) {
  if (DisplayWidth(text) <= width) return text;
  return FirstColumns(text, width - kCutColumns) +
         std::string(kCut).substr(0, static_cast<size_t>(std::max(0, width)));
}

std::string CutMiddleToWidth(const std::string& text, int width) {
  const int room = width - kCutColumns;
  if (DisplayWidth(text) <= width || room < 2) return CutToWidth(text, width);
  // The end tells more: a program's name, what is special about a queue.
  const std::string first = FirstColumns(text, room / 2);
  size_t at = first.size();
  while (DisplayWidth(text.substr(at)) > room - DisplayWidth(first)) {
    at += NextGlyph(text, at).bytes;
  }
  return first + kCut + text.substr(at);
}

}  // namespace treadle::cli
