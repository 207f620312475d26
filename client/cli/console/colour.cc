#include "client/cli/console/colour.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace treadle::cli {
namespace {

struct StateColour {
  std::string_view state;
  const char* code;
};

constexpr char kGreen[] = "\x1b[32m";
constexpr char kRed[] = "\x1b[31m";
constexpr char kYellow[] = "\x1b[33m";
constexpr char kCyan[] = "\x1b[36m";
constexpr char kPlain[] = "\x1b[0m";

constexpr std::array<StateColour, 14> kColours = {{{"SUCCEEDED", kGreen},
                                                   {"FAILED", kRed},
                                                   {"EXPIRED", kRed},
                                                   {"CANCELLED", kYellow},
                                                   {"RUNNING!", kYellow},
                                                   {"RUNNING (", kYellow},
                                                   {"RUNNING", kCyan},
                                                   {"connected", kGreen},
                                                   {"draining", kYellow},
                                                   {"quarantined", kRed},
                                                   {"lost", kRed},
                                                   {"paused", kYellow},
                                                   {"circuit open", kRed},
                                                   {"closed", kYellow}}};

}  // namespace

std::string PaintState(const std::string& state, const std::string& text) {
  for (const StateColour& colour : kColours) {
    if (state.rfind(colour.state, 0) == 0) return colour.code + text + kPlain;
  }
  return text;
}

std::string Paint(Style style, const std::string& text) {
  static constexpr std::array<const char*, 6> kCodes = {"\x1b[1m", "\x1b[2m", "\x1b[7m",
                                                        kGreen,    kYellow,   kRed};
  return kCodes[static_cast<size_t>(style)] + text + kPlain;
}

}  // namespace treadle::cli
