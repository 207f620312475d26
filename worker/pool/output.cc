#include "worker/pool/output.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "proto/support/clock.h"
#include "proto/support/limits.h"
#include "worker/pool/attempt.h"
#include "worker/pool/pool.h"

namespace treadle::worker {
namespace {

// Rung when there may be room. Who waits may leave before.
struct Bell {
  std::mutex mutex;
  std::condition_variable_any rang;
  bool rung = false;  // GUARDED_BY(mutex)
};

// How much of `text` one entry takes.
size_t EntryBytes(std::string_view text) {
  constexpr size_t kMax = limits::kOutputEntryBytesMax;
  constexpr size_t kCharacterBytesMax = 4;
  if (text.size() <= kMax) return text.size();
  size_t bytes = kMax;
  while (bytes > kMax - kCharacterBytesMax && (text[bytes] & 0xC0) == 0x80) --bytes;
  return bytes > kMax - kCharacterBytesMax ? bytes : kMax;
}

}  // namespace

OutputEntry::OutputEntry(OutputKind kind_in, std::string data_in, std::string content_type_in)
    : kind(kind_in),
      time_ms(SystemMachineClock().UnixMs()),
      data(std::move(data_in)),
      content_type(std::move(content_type_in)) {}

void Say(const Attempt& attempt, AttemptEvents& events, OutputEntry entry) {
  if (events.Output(attempt, entry, nullptr)) return;
  const auto bell = std::make_shared<Bell>();
  const auto ring = [bell] {
    std::lock_guard lock(bell->mutex);
    bell->rung = true;
    bell->rang.notify_all();
  };
  while (!events.Output(attempt, entry, ring)) {
    std::unique_lock lock(bell->mutex);
    bell->rang.wait(lock, attempt.stop_token(), [&] { return bell->rung; });
    bell->rung = false;
  }
}

void SayText(const Attempt& attempt, AttemptEvents& events, OutputKind kind,
             std::string_view text) {
  do {
    const size_t bytes = EntryBytes(text);
    Say(attempt, events, OutputEntry(kind, std::string(text.substr(0, bytes))));
    text.remove_prefix(bytes);
  } while (!text.empty());
}

}  // namespace treadle::worker
