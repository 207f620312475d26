#include "server/engine/history.h"

#include <cstdint>
#include <utility>

namespace treadle::engine {
namespace {

constexpr size_t kFirstKept = 3;
constexpr size_t kLastKept = 5;
constexpr size_t kEarlierMessageBytes = 256;

}  // namespace

std::string Cut(std::string text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  text.shrink_to_fit();
  return text;
}

void AddTo(std::vector<FailedAttempt>& history, FailedAttempt latest) {
  if (!history.empty()) {
    std::string& message = history.back().error.message;
    message = Cut(std::move(message), kEarlierMessageBytes);
  }
  if (history.size() == kFirstKept + kLastKept) history.erase(history.begin() + kFirstKept);
  latest.error.message = Cut(std::move(latest.error.message), kLatestMessageBytes);
  history.push_back(std::move(latest));
}

}  // namespace treadle::engine
