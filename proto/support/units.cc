#include "proto/support/units.h"

#include <array>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/support/text.h"

namespace treadle {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

// Largest first; for durations, those that FormatDurationMs uses.
constexpr std::array<Unit, 5> kDurationUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kBinaryUnits = {{{"TiB", int64_t{1} << 40},
                                               {"GiB", int64_t{1} << 30},
                                               {"MiB", int64_t{1} << 20},
                                               {"KiB", int64_t{1} << 10}}};
constexpr std::array<Unit, 10> kSizeUnits = {{{"TiB", int64_t{1} << 40},
                                              {"GiB", int64_t{1} << 30},
                                              {"MiB", int64_t{1} << 20},
                                              {"KiB", int64_t{1} << 10},
                                              {"TB", 1'000'000'000'000},
                                              {"GB", 1'000'000'000},
                                              {"MB", 1'000'000},
                                              {"kB", 1'000},
                                              {"B", 1},
                                              {"", 1}}};

constexpr double kValueMax = 9e18;

// Takes "12.5" off the front. False: there is no number.
bool TakeNumber(std::string_view& text, double& number) {
  const size_t end = text.find_first_not_of("0123456789.");
  const std::string_view digits = text.substr(0, end);
  if (digits.empty() || !absl::SimpleAtod({digits.data(), digits.size()}, &number)) return false;
  text.remove_prefix(digits.size());
  return true;
}

template <size_t n>
bool TakeUnit(std::string_view& text, const std::array<Unit, n>& units, int64_t& factor) {
  const std::string_view name = text.substr(0, text.find_first_of("0123456789."));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    factor = unit.factor;
    text.remove_prefix(name.size());
    return true;
  }
  return false;
}

absl::Status Malformed(std::string_view text, const char* what, const char* examples) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", Absl(text), "' is not a ", what, ": write ", examples));
}

}  // namespace

absl::StatusOr<int64_t> ParseDurationMs(std::string_view text) {
  if (text == "0") return 0;
  const auto malformed = [text] {
    return Malformed(text, "duration", "a number with a unit, like 500ms, 30s, 5m, 12h or 7d");
  };
  std::string_view rest = text;
  double sum = 0;
  if (rest.empty()) return malformed();
  while (!rest.empty()) {
    double number = 0;
    int64_t factor = 0;
    if (!TakeNumber(rest, number) || !TakeUnit(rest, kDurationUnits, factor)) return malformed();
    sum += number * static_cast<double>(factor);
  }
  if (sum > kValueMax) return malformed();
  return std::llround(sum);
}

std::string FormatDurationMs(int64_t duration_ms) {
  if (duration_ms == 0) return "0";
  std::string text;
  for (const Unit& unit : kDurationUnits) {
    const int64_t count = duration_ms / unit.factor;
    if (count == 0) continue;
    absl::StrAppend(&text, count, absl::string_view(unit.name.data(), unit.name.size()));
    duration_ms %= unit.factor;
  }
  return text;
}

absl::StatusOr<int64_t> ParseSizeBytes(std::string_view text) {
  std::string_view rest = text;
  double number = 0;
  int64_t factor = 0;
  if (!TakeNumber(rest, number) || !TakeUnit(rest, kSizeUnits, factor) || !rest.empty() ||
      number * static_cast<double>(factor) > kValueMax) {
    return Malformed(text, "size", "bytes, or a number with a unit, like 64KiB, 4MiB or 1GiB");
  }
  return std::llround(number * static_cast<double>(factor));
}

std::string FormatSizeBytes(int64_t bytes) {
  for (const Unit& unit : kBinaryUnits) {
    if (bytes != 0 && bytes % unit.factor == 0) {
      return absl::StrCat(bytes / unit.factor,
                          absl::string_view(unit.name.data(), unit.name.size()));
    }
  }
  return absl::StrCat(bytes);
}

}  // namespace treadle
