#include "proto/support/task_id.h"

#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace treadle {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr size_t kNumberDigitsMax = 13;  // 64 bits at 5 each

constexpr std::array<int8_t, 256> kValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<uint8_t>(kDigits[i])] = static_cast<int8_t>(i);
  }
  return values;
}();

char* WriteNumber(uint64_t number, char* end) {
  do {
    *--end = kDigits[number & 31];
    number >>= 5;
  } while (number != 0);
  return end;
}

// One spelling for each number: no leading zeros, no overflow, and 0 names nothing.
bool ReadNumber(std::string_view text, uint64_t& number) {
  if (text.empty() || text.size() > kNumberDigitsMax || text.front() == '0') return false;
  number = 0;
  for (const char c : text) {
    const int8_t value = kValues[static_cast<uint8_t>(c)];
    if (value < 0 || number >> 59 != 0) return false;
    number = number << 5 | static_cast<uint64_t>(value);
  }
  return true;
}

}  // namespace

std::string TaskId::ToString() const {
  char buffer[2 * kNumberDigitsMax + 1];
  char* const end = buffer + sizeof(buffer);
  char* begin = WriteNumber(sequence, end);
  *--begin = '-';
  begin = WriteNumber(session, begin);
  return std::string(begin, end);
}

std::string NumberText(uint64_t number) {
  char buffer[kNumberDigitsMax];
  char* const end = buffer + sizeof(buffer);
  return std::string(WriteNumber(number, end), end);
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  return ReadNumber(text, number) ? std::optional(number) : std::nullopt;
}

absl::StatusOr<TaskId> TaskId::Parse(std::string_view text) {
  TaskId id;
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos || !ReadNumber(text.substr(0, dash), id.session) ||
      !ReadNumber(text.substr(dash + 1), id.sequence)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "task_id '", absl::string_view(text.data(), std::min<size_t>(text.size(), 40)),
        "' is not a task's id: use the id that submit returned, like 'cnsef1k6a7-1k9'"));
  }
  return id;
}

}  // namespace treadle
