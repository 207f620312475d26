#include "server/store/recovery_check.h"

#include <cstring>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "server/store/file.h"
#include "server/store/log_check.h"
#include "server/store/manifest_numbers.h"

namespace treadle::store {
namespace {

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

absl::StatusOr<ManifestNumbers> CheckManifest(const std::string& directory) {
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
  ManifestNumbers numbers;
  const LogEnd end = CheckLog(*manifest, [&](std::string_view head) {
    numbers.Take(head);
    return true;
  });
  if (end.state == LogEnd::State::kDamaged) return LostAt(path, end, /*may_be_cut=*/false);
  return numbers;
}

// The paths of the logs that recovery reads, in its order.
absl::StatusOr<std::vector<std::string>> LivePaths(const std::string& directory,
                                                   uint64_t first_log) {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory);
  if (!names.ok()) return names.status();
  std::map<uint64_t, std::string> paths;
  for (const std::string& name : *names) {
    absl::string_view digits = name;
    uint64_t number = 0;
    if (absl::ConsumeSuffix(&digits, ".log") && absl::SimpleAtoi(digits, &number) &&
        number >= first_log) {
      paths.emplace(number, absl::StrCat(directory, "/", name));
    }
  }
  if (paths.empty()) {
    return Lost(absl::StrCat("'", directory, "' has lost its write-ahead log (NNNNNN.log)"));
  }
  std::vector<std::string> in_order;
  for (auto& [number, path] : paths) in_order.push_back(std::move(path));
  return in_order;
}

}  // namespace

absl::StatusOr<int64_t> CheckRecovery(const std::string& directory) {
  const absl::StatusOr<ManifestNumbers> tables = CheckManifest(directory);
  if (!tables.ok()) return tables.status();
  const absl::StatusOr<std::vector<std::string>> paths = LivePaths(directory, tables->first_log);
  if (!paths.ok()) return paths.status();
  int64_t logs_bytes = 0;
  std::optional<uint64_t> next_sequence;
  for (const std::string& path : *paths) {
    const absl::StatusOr<std::string> log = ReadFile(path);
    if (!log.ok()) return log.status();
    logs_bytes += static_cast<int64_t>(log->size());
    bool gap = false;
    const LogEnd end = CheckLog(*log, [&](std::string_view head) {
      const std::optional<BatchHead> batch = BatchHead::Read(head);
      if (!batch.has_value()) return false;
      gap = !next_sequence.has_value() && batch->sequence > tables->last_sequence + 1;
      if (gap || batch->sequence != next_sequence.value_or(batch->sequence)) return false;
      next_sequence = batch->sequence + batch->count;
      return true;
    });
    if (gap) return Lost(absl::StrCat("what was written before '", path, "' is lost"));
    if (end.state != LogEnd::State::kDamaged) continue;
    // Nothing but the last log may be cut without leaving a hole.
    return LostAt(path, end, /*may_be_cut=*/path == paths->back());
  }
  return logs_bytes;
}

}  // namespace treadle::store
