#include "server/store/recovery_check.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "server/store/file.h"
#include "server/store/log_check.h"

namespace treadle::store {
namespace {

constexpr absl::string_view kLogSuffix = ".log";

absl::Status Lost(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(what, ": restore the data directory from a backup"));
}

absl::Status LostAt(const std::string& path, const LogEnd& end, bool may_be_cut) {
  std::string message = absl::StrCat("'", path, "' is damaged at byte ", end.offset, ": ",
                                     absl::string_view(end.damage.data(), end.damage.size()));
  if (!may_be_cut) return Lost(message);
  return absl::DataLossError(
      absl::StrCat(message, ": restore the data directory from a backup, or give up what was ",
                   "written from there on: truncate -s ", end.offset, " '", path, "'"));
}

// What stands before the changes in each of RocksDB's batches.
struct BatchHead {
  uint64_t sequence = 0;
  uint32_t count = 0;

  static std::optional<BatchHead> Read(std::string_view head) {
    BatchHead batch;
    if (head.size() < sizeof(batch.sequence) + sizeof(batch.count)) return std::nullopt;
    std::memcpy(&batch.sequence, head.data(), sizeof(batch.sequence));
    std::memcpy(&batch.count, head.data() + sizeof(batch.sequence), sizeof(batch.count));
    return batch;
  }
};

absl::Status CheckManifest(const std::string& directory) {
  const std::string current_path = directory + "/CURRENT";
  absl::StatusOr<std::string> current = ReadFile(current_path);
  if (!current.ok()) return Lost(current.status().message());
  absl::string_view name = *current;
  if (!absl::ConsumeSuffix(&name, "\n") || !absl::StartsWith(name, "MANIFEST-")) {
    return Lost(absl::StrCat("'", current_path, "' is damaged"));
  }
  const std::string path = absl::StrCat(directory, "/", name);
  absl::StatusOr<std::string> manifest = ReadFile(path);
  if (!manifest.ok()) return Lost(manifest.status().message());
  const LogEnd end = CheckLog(*manifest, [](std::string_view) { return true; });
  return end.state == LogEnd::State::kDamaged ? LostAt(path, end, /*may_be_cut=*/false)
                                              : absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> LogNames(const std::string& directory) {
  absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::erase_if(*names, [](const std::string& name) { return !absl::EndsWith(name, kLogSuffix); });
  if (names->empty()) {
    return Lost(absl::StrCat("'", directory, "' has lost its write-ahead log (NNNNNN.log)"));
  }
  // By number: those have at least six digits, then more.
  std::sort(names->begin(), names->end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  return names;
}

}  // namespace

absl::StatusOr<int64_t> CheckRecovery(const std::string& directory) {
  if (absl::Status status = CheckManifest(directory); !status.ok()) return status;
  const absl::StatusOr<std::vector<std::string>> names = LogNames(directory);
  if (!names.ok()) return names.status();
  int64_t logs_bytes = 0;
  std::optional<uint64_t> next_sequence;
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(directory, "/", name);
    const absl::StatusOr<std::string> log = ReadFile(path);
    if (!log.ok()) return log.status();
    logs_bytes += static_cast<int64_t>(log->size());
    const LogEnd end = CheckLog(*log, [&](std::string_view head) {
      const std::optional<BatchHead> batch = BatchHead::Read(head);
      if (!batch.has_value() || batch->sequence != next_sequence.value_or(batch->sequence)) {
        return false;
      }
      next_sequence = batch->sequence + batch->count;
      return true;
    });
    if (end.state != LogEnd::State::kDamaged) continue;
    // Nothing but the last log may be cut without leaving a hole.
    return LostAt(path, end, /*may_be_cut=*/name == names->back());
  }
  return logs_bytes;
}

}  // namespace treadle::store
