#include "server/store/synced_ends.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

#include "proto/support/text.h"
#include "server/store/crc32c.h"
#include "server/store/file.h"

namespace treadle::store {
namespace {

constexpr size_t kSlotBytes = 4'096;  // a page: the unit in which the system writes it
constexpr size_t kSlots = 2;
constexpr size_t kChecksumDigits = 8;
constexpr size_t kNumberDigits = 20;
constexpr auto kOnItsWayEvery = std::chrono::milliseconds(100);

struct Written {
  uint64_t number = 0;
  SyncedEnds::Ends ends;
};

std::optional<Written> ReadSlot(std::string_view slot) {
  slot = slot.substr(0, slot.find('\0'));
  if (slot.size() < kChecksumDigits) return std::nullopt;
  const std::string_view body = slot.substr(kChecksumDigits);
  if (absl::StrFormat("%08x", Crc32c(body)) != slot.substr(0, kChecksumDigits)) {
    return std::nullopt;
  }
  Written written;
  std::vector<std::string> lines = absl::StrSplit(Absl(body), '\n', absl::SkipEmpty());
  if (lines.empty() || !absl::SimpleAtoi(lines[0], &written.number)) return std::nullopt;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> words = absl::StrSplit(lines[i], ' ');
    if (!absl::SimpleAtoi(words.second, &written.ends[words.first])) return std::nullopt;
  }
  return written;
}

}  // namespace

absl::StatusOr<std::optional<SyncedEnds::Ends>> SyncedEnds::Read(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::optional<Ends>();
  const absl::StatusOr<std::string> contents = ReadFile(path);
  if (!contents.ok()) return contents.status();
  std::optional<Written> newest;
  for (size_t at = 0; at < contents->size(); at += kSlotBytes) {
    std::optional<Written> slot = ReadSlot(std::string_view(*contents).substr(at, kSlotBytes));
    if (slot.has_value() && (!newest.has_value() || slot->number > newest->number)) newest = slot;
  }
  if (newest.has_value()) return std::optional<Ends>(std::move(newest->ends));
  return absl::DataLossError(absl::StrCat(
      "'", path, "', which says how far the write-ahead log was synced, is damaged: restore the ",
      "data directory from a backup, or, if the log's end can be taken as it is: rm '", path, "'"));
}

SyncedEnds::SyncedEnds(std::string path) : path_(std::move(path)) {}

SyncedEnds::~SyncedEnds() {
  if (file_ >= 0) ::close(file_);
}

void SyncedEnds::Synced(const std::string& name, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  uint64_t& end = ends_[name];
  if (end >= bytes) return;
  end = bytes;
  changed_ = true;
}

void SyncedEnds::Deleted(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ends_.erase(name);
}

std::string SyncedEnds::Slot() const {
  std::string body = absl::StrFormat("%0*d\n", kNumberDigits, writings_);
  for (const auto& [name, bytes] : ends_) {
    std::string line = absl::StrCat(name, " ", bytes, "\n");
    // A few files are what there is; of ever so many logs the newest go without a word.
    if (kChecksumDigits + body.size() + line.size() >= kSlotBytes) break;
    body += line;
  }
  std::string slot = absl::StrFormat("%08x", Crc32c(body)) + body;
  slot.resize(kSlotBytes, '\0');
  return slot;
}

absl::Status SyncedEnds::Begin() {
  const std::lock_guard lock(mutex_);
  writings_ = kSlots;  // of two that say the same
  const std::string slot = Slot();
  if (absl::Status status = WriteFileAtomically(path_, slot + slot); !status.ok()) return status;
  changed_ = false;
  file_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  return file_ >= 0 ? absl::OkStatus() : FileError(errno, path_, "cannot be opened");
}

absl::Status SyncedEnds::Write() {
  const std::lock_guard lock(mutex_);
  if (!changed_ || file_ < 0) return absl::OkStatus();
  ++writings_;
  const std::string slot = Slot();
  const auto at = static_cast<off_t>(writings_ % kSlots * kSlotBytes);
  if (::pwrite(file_, slot.data(), slot.size(), at) != static_cast<ssize_t>(slot.size())) {
    return FileError(errno, path_, "cannot be written");
  }
  changed_ = false;
  // Starts the writing, waits for nothing; best effort.
  const auto now = std::chrono::steady_clock::now();
  if (now - on_its_way_at_ >= kOnItsWayEvery) {
    on_its_way_at_ = now;
    ::sync_file_range(file_, 0, kSlots * kSlotBytes, SYNC_FILE_RANGE_WRITE);
  }
  return absl::OkStatus();
}

absl::Status SyncedEnds::WriteDurably() {
  if (absl::Status status = Write(); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  if (file_ < 0 || ::fdatasync(file_) == 0) return absl::OkStatus();
  return FileError(errno, path_, "cannot be synced");
}

}  // namespace treadle::store
