#include "client/cli/map/job_log.h"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/console/human.h"
#include <fmt/format.h>

#include "proto/support/random_bits.h"

namespace treadle::cli {
namespace {

constexpr char kHeader[] =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";
constexpr char kRunMark[] = "\trun=";
constexpr size_t kColumns = 9;

}  // namespace

absl::StatusOr<std::shared_ptr<JobLog>> JobLog::Open(const std::string& path, bool go_on,
                                                     std::string run) {
  std::shared_ptr<JobLog> log(new JobLog());
  log->path_ = path;
  log->run_ = std::move(run);
  bool fresh = true;
  if (go_on) {
    absl::StatusOr<bool> there = log->Read();
    if (!there.ok()) return there.status();
    fresh = !*there;
  }
  if (log->run_.empty()) log->run_ = absl::StrCat(absl::Hex(RandomBits(), absl::kZeroPad16));
  log->file_.open(path, std::ios::binary | (fresh ? std::ios::trunc : std::ios::app));
  if (!log->file_) {
    return absl::FailedPreconditionError(
        absl::StrCat("--joblog '", path, "' cannot be written: ", std::strerror(errno)));
  }
  // A line that was cut when its writer was killed ends here.
  log->file_ << (fresh       ? absl::StrCat(kHeader, kRunMark, log->run_, "\n")
                 : log->cut_ ? "\n"
                             : "")
             << std::flush;
  return log;
}

absl::StatusOr<bool> JobLog::Read() {
  std::ifstream file(path_, std::ios::binary);
  std::string line;
  if (!file || !std::getline(file, line)) return false;  // nothing has been run
  const std::vector<std::string> header = absl::StrSplit(line, kRunMark);
  if (header.front() != kHeader) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--joblog '", path_, "' is no job log: name the one of the run to go on with"));
  }
  if (header.size() != 2) {
    return absl::FailedPreconditionError(
        absl::StrCat("--joblog '", path_,
                     "' has no run's name in its first line, so it was not treadle map that wrote "
                     "it: go on with the program that did, or begin a new log"));
  }
  if (!run_.empty() && run_ != header.back()) {
    return absl::FailedPreconditionError(absl::StrCat("--joblog '", path_, "' is of the run '",
                                                      header.back(), "', not of '", run_,
                                                      "': leave out --run, or name another log"));
  }
  run_ = header.back();
  while (std::getline(file, line)) {
    cut_ = file.eof();
    ReadLine(line);
  }
  return true;
}

// Of a line that was cut all that counts is there, or nothing of it counts.
void JobLog::ReadLine(const std::string& line) {
  const std::vector<std::string> columns = absl::StrSplit(line, '\t');
  int64_t number = 0;
  int32_t exit_code = 0, signal = 0;
  if (columns.size() < kColumns || !absl::SimpleAtoi(columns[0], &number) ||
      !absl::SimpleAtoi(columns[6], &exit_code) || !absl::SimpleAtoi(columns[7], &signal)) {
    return;
  }
  Past& past = past_[number];
  ++past.lines;
  past.ended = exit_code >= 0;
  past.failed = exit_code > 0 || signal != 0;
}

JobLog::Past JobLog::PastOf(int64_t number) const {
  const auto found = past_.find(number);
  return found == past_.end() ? Past() : found->second;
}

void JobLog::Add(const Line& line) {
  const std::string text =
      fmt::format("{}\t{}\t{}.{:03}\t{:6}.{:03}\t{}\t{}\t{}\t{}\t{}\n", line.number,
                  line.host.empty() ? ":" : line.host, line.started_at_ms / 1'000,
                  line.started_at_ms % 1'000, line.took_ms / 1'000, line.took_ms % 1'000,
                  line.sent_bytes, line.received_bytes, line.exit_code, line.signal,
                  absl::StrReplaceAll(line.command, {{"\n", std::string(1, '\0')}}));
  std::lock_guard lock(mutex_);
  file_ << text << std::flush;
}

absl::Status JobLog::Close() {
  std::lock_guard lock(mutex_);
  file_.close();
  if (file_) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("--joblog '", path_, "' could not be written to its end: is the disk full?"));
}

}  // namespace treadle::cli
