#include "server/store/recovery_check.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include "proto/support/text.h"
#include "server/store/file.h"
#include "server/store/log_check.h"

namespace treadle::store {
namespace {

constexpr char kFromABackup[] = "restore the data directory from a backup";

absl::Status Lost(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(what, ": ", kFromABackup));
}

// There is a way to go on without what is lost, and no other but a backup.
absl::Status LostUnless(absl::string_view what, absl::string_view given_up,
                        absl::string_view command) {
  return absl::DataLossError(
      absl::StrCat(what, ": ", kFromABackup, ", or give up ", given_up, ": ", command));
}

std::string DamageIn(const std::string& path, const LogEnd& end) {
  return absl::StrCat("'", path, "' is damaged at byte ", end.offset, ": ", Absl(end.damage));
}

// What stands before the changes in each of RocksDB's batches.
struct BatchHead {
  uint64_t sequence = 0;
  uint32_t count = 0;

  static std::optional<BatchHead> Read(std::string_view head) {
    BatchHead batch;
    if (head.size() < kBatchHeadBytes) return std::nullopt;
    std::memcpy(&batch.sequence, head.data(), sizeof(batch.sequence));
    std::memcpy(&batch.count, head.data() + sizeof(batch.sequence), sizeof(batch.count));
    return batch;
  }
};

class Check {
 public:
  Check(const std::string& directory, const std::optional<SyncedEnds::Ends>& synced,
        const std::string& record_path)
      : directory_(directory), synced_(synced), record_path_(record_path) {}

  absl::StatusOr<Recovery> Run() {
    absl::Status status = ReadManifest();
    if (status.ok()) status = CheckTables();
    if (status.ok()) status = CheckLogs();
    if (!status.ok()) return status;
    return std::move(found_);
  }

 private:
  // A log that recovery reads.
  struct Log {
    std::string path;
    LogEnd end;
    uint64_t bytes = 0;
    uint64_t synced_bytes = 0;            // on record; 0: none of it
    std::optional<uint64_t> first, next;  // of its batches' sequence numbers; absent: it has none
  };

  std::string PathOf(const std::string& name) const { return absl::StrCat(directory_, "/", name); }
  uint64_t SyncedBytes(const std::string& name) const {
    if (!synced_.has_value()) return 0;
    const auto end = synced_->find(name);
    return end == synced_->end() ? 0 : end->second;
  }
  absl::StatusOr<std::string> ManifestName() const;
  absl::Status ReadManifest();
  absl::Status CheckTables() const;
  absl::StatusOr<std::map<uint64_t, Log>> ReadLogs();
  absl::StatusOr<Log> ReadLog(const std::string& name) const;
  absl::Status CheckLogs();
  absl::Status CheckOrder(const std::map<uint64_t, Log>& logs) const;
  absl::Status CheckLastLog(const Log& log);

  const std::string& directory_;
  const std::optional<SyncedEnds::Ends>& synced_;
  const std::string& record_path_;
  Recovery found_;
};

absl::StatusOr<std::string> Check::ManifestName() const {
  const std::string current_path = PathOf("CURRENT");
  const absl::StatusOr<std::string> current = ReadFile(current_path);
  if (!current.ok()) return Lost(current.status().message());
  absl::string_view name = *current;
  if (!absl::ConsumeSuffix(&name, "\n") || !absl::StartsWith(name, "MANIFEST-")) {
    return Lost(absl::StrCat("'", current_path, "' is damaged"));
  }
  if (::access(PathOf(std::string(name)).c_str(), F_OK) == 0) return std::string(name);

  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory_);
  if (!names.ok()) return names.status();
  std::vector<std::string> others;
  for (const std::string& other : *names) {
    if (absl::StartsWith(other, "MANIFEST-")) others.push_back(other);
  }
  return Lost(
      absl::StrCat("'", current_path, "' names '", name, "', which is not there",
                   others.empty() ? "" : ", though others are: ", SomeOf(std::move(others))));
}

absl::Status Check::ReadManifest() {
  const absl::StatusOr<std::string> name = ManifestName();
  if (!name.ok()) return name.status();
  const std::string path = PathOf(*name);
  const absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return Lost(bytes.status().message());
  const LogEnd end =
      CheckLog(*bytes, std::numeric_limits<size_t>::max(), [&](std::string_view record) {
        found_.manifest.Take(record);
        return true;
      });
  if (end.state == LogEnd::State::kDamaged) return Lost(DamageIn(path, end));
  // CURRENT names it only after its first record was synced.
  const uint64_t synced_bytes = std::max<uint64_t>(SyncedBytes(*name), 1);
  if (end.offset < synced_bytes) {
    return Lost(absl::StrCat("'", path, "' has lost its end: it can be read up to byte ",
                             end.offset, ", and was synced up to byte ", synced_bytes));
  }
  return absl::OkStatus();
}

absl::Status Check::CheckTables() const {
  if (!found_.manifest.understood) return absl::OkStatus();  // RocksDB may know what it means
  for (const auto& [number, bytes] : found_.manifest.tables) {
    const std::string path = PathOf(TableName(number));
    std::error_code error;
    const uintmax_t found = std::filesystem::file_size(path, error);
    if (error) return Lost(absl::StrCat("'", path, "' is lost (", error.message(), ")"));
    if (found == bytes) continue;
    return Lost(
        absl::StrCat("'", path, "' is damaged: it has ", found, " bytes rather than ", bytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<Check::Log> Check::ReadLog(const std::string& name) const {
  Log log{.path = PathOf(name), .synced_bytes = SyncedBytes(name)};
  const absl::StatusOr<std::string> bytes = ReadFile(log.path);
  if (!bytes.ok()) return bytes.status();
  log.bytes = bytes->size();
  log.end = CheckLog(*bytes, kBatchHeadBytes, [&log](std::string_view head) {
    const std::optional<BatchHead> batch = BatchHead::Read(head);
    if (!batch.has_value()) return false;
    if (!log.first.has_value()) log.first = batch->sequence;
    if (batch->sequence != log.next.value_or(batch->sequence)) return false;
    log.next = batch->sequence + batch->count;
    return true;
  });
  return log;
}

absl::StatusOr<std::map<uint64_t, Check::Log>> Check::ReadLogs() {
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory_);
  if (!names.ok()) return names.status();
  std::map<uint64_t, Log> logs;
  for (const std::string& name : *names) {
    const std::optional<uint64_t> number = NumberOf(name, ".log");
    if (!number.has_value() || *number < found_.manifest.first_log) continue;
    absl::StatusOr<Log> log = ReadLog(name);
    if (!log.ok()) return log.status();
    found_.log_bytes += static_cast<int64_t>(log->bytes);
    logs.emplace(*number, *std::move(log));
  }
  return logs;
}

absl::Status Check::CheckLogs() {
  const absl::StatusOr<std::map<uint64_t, Log>> logs = ReadLogs();
  if (!logs.ok()) return logs.status();
  for (const auto& [name, bytes] : synced_.value_or(SyncedEnds::Ends())) {
    const std::optional<uint64_t> number = NumberOf(name, ".log");
    if (!number.has_value() || *number < found_.manifest.first_log || logs->contains(*number)) {
      continue;
    }
    return Lost(
        absl::StrCat("'", PathOf(name), "' is lost: it had been synced up to byte ", bytes));
  }
  if (logs->empty()) {
    return Lost(absl::StrCat("'", directory_, "' has lost its write-ahead log (NNNNNN.log)"));
  }
  if (absl::Status status = CheckOrder(*logs); !status.ok()) return status;
  // The last one that holds something: a start that was cut short may have left an empty one after.
  const Log* last = &logs->begin()->second;
  for (const auto& [number, log] : *logs) {
    if (log.bytes > 0 || log.synced_bytes > 0) last = &log;
  }
  return CheckLastLog(*last);
}

// That what each log holds follows what the one before holds, and nothing but the last one's end
// is torn or damaged: a log is begun when the one before is synced.
absl::Status Check::CheckOrder(const std::map<uint64_t, Log>& logs) const {
  const Log* before = nullptr;
  for (const auto& [number, log] : logs) {
    if (log.bytes == 0 && log.synced_bytes == 0) continue;
    if (before != nullptr) {
      if (before->end.state == LogEnd::State::kDamaged)
        return Lost(DamageIn(before->path, before->end));
      if (before->end.state == LogEnd::State::kTorn || before->end.offset < before->synced_bytes) {
        return Lost(absl::StrCat("'", before->path, "' has lost its end, from byte ",
                                 before->end.offset, " on: '", log.path, "' was begun after it"));
      }
    }
    const uint64_t expected =
        before != nullptr ? before->next.value_or(0) : found_.manifest.last_sequence + 1;
    if (log.first.has_value() && *log.first > expected) {
      if (before == nullptr) {
        return Lost(absl::StrCat("what was written before '", log.path,
                                 "' is lost: an earlier log is missing"));
      }
      return Lost(absl::StrCat("what was written between '", before->path, "', which ends at byte ",
                               before->end.offset, ", and '", log.path,
                               "' is lost: the first has lost its end, or a log between them is "
                               "missing"));
    }
    if (log.first.has_value() && before != nullptr && *log.first < expected) {
      return Lost(absl::StrCat("'", log.path, "' does not follow '", before->path,
                               "': it is from another time"));
    }
    before = &log;
  }
  return absl::OkStatus();
}

absl::Status Check::CheckLastLog(const Log& log) {
  const uint64_t offset = log.end.offset;
  const bool beyond_record = offset >= log.synced_bytes;
  const std::string forget = beyond_record ? "" : absl::StrCat(" && rm '", record_path_, "'");
  const std::string on_record =
      log.synced_bytes == 0 ? ""
                            : absl::StrCat(" (it was synced up to byte ", log.synced_bytes, ")");
  if (log.end.state == LogEnd::State::kDamaged) {
    return LostUnless(
        absl::StrCat(DamageIn(log.path, log.end), on_record),
        absl::StrCat("what was written from there on, ", log.bytes - offset, " bytes"),
        absl::StrCat("truncate -s ", offset, " '", log.path, "'", forget));
  }
  if (!beyond_record) {
    return LostUnless(absl::StrCat("'", log.path, "' has lost its end: it can be read up to byte ",
                                   offset, ", and was synced up to byte ", log.synced_bytes),
                      absl::StrCat("those ", log.synced_bytes - offset, " bytes"),
                      absl::StrCat("rm '", record_path_, "'"));
  }
  if (log.end.state == LogEnd::State::kTorn) {
    found_.notices.push_back(absl::StrCat(
        "'", log.path, "' ends inside a batch, whose write was under way when its process or its ",
        "machine stopped: the last ", log.bytes - offset, " bytes, from byte ", offset,
        " on, are passed over", on_record));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Recovery> CheckRecovery(const std::string& directory,
                                       const std::optional<SyncedEnds::Ends>& synced,
                                       const std::string& record_path) {
  return Check(directory, synced, record_path).Run();
}

absl::Status DeleteUnnamed(const std::string& directory, const Manifest& manifest) {
  if (!manifest.understood) return absl::OkStatus();
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::optional<uint64_t> table = NumberOf(name, ".sst");
    const std::optional<uint64_t> log = NumberOf(name, ".log");
    const bool unnamed = (table.has_value() && !manifest.tables.contains(*table)) ||
                         (log.has_value() && *log < manifest.first_log);
    const std::string path = absl::StrCat(directory, "/", name);
    if (unnamed && ::unlink(path.c_str()) != 0) return FileError(errno, path, "cannot be deleted");
  }
  return absl::OkStatus();
}

std::string TableName(uint64_t number) { return absl::StrFormat("%06d.sst", number); }

std::optional<uint64_t> NumberOf(std::string_view name, std::string_view ending) {
  absl::string_view digits = Absl(name);
  uint64_t number = 0;
  if (!absl::ConsumeSuffix(&digits, Absl(ending)) || !absl::SimpleAtoi(digits, &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace treadle::store
