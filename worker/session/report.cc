#include "worker/session/report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "proto/wire/column.h"

namespace treadle::worker {
namespace {

// Tags, lengths, the token, and the report's share of the message's own framing.
constexpr int64_t kReportOverheadBytes = 48;
// Of an error's message: its details leave at least so much room.
constexpr int64_t kMessageBytesMin = 1 * limits::kKiB;

std::string Text(std::string text, int64_t bytes_max) {
  if (static_cast<int64_t>(text.size()) <= bytes_max && IsUtf8(text)) return text;
  return CutMiddle(text, static_cast<size_t>(bytes_max));
}

// Names have no control characters either.
std::string Name(std::string name, int64_t bytes_max) {
  if (static_cast<int64_t>(name.size()) <= bytes_max && IsPrintableUtf8(name)) return name;
  // C1 controls, U+0080 to U+009F, are C2 followed by their own low byte.
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<uint8_t>(name[i]);
    if (byte < 0x20 || byte == 0x7F) name[i] = ' ';
    if (byte == 0xC2 && i + 1 < name.size() && static_cast<uint8_t>(name[i + 1]) < 0xA0) {
      name[i] = name[i + 1] = ' ';
    }
  }
  return CutMiddle(name, static_cast<size_t>(bytes_max));
}

AttemptResult TooLarge(size_t bytes, int64_t bytes_max) {
  // Another run would most likely return as much.
  return AttemptResult::Failed(
      "ResultTooLarge",
      absl::StrCat("the result has ", bytes, " bytes, and the broker takes at most ", bytes_max,
                   ": return less, or where to find it, or raise the broker's --payload-max"),
      true);
}

// Details go before the message, unless next to nothing would be left of that.
void WriteError(AttemptResult& result, int64_t payload_bytes_max, v1::TaskError& error) {
  const auto details_bytes = static_cast<int64_t>(result.bytes.size());
  int64_t message_bytes_max = limits::kErrorMessageBytesMax;
  if (details_bytes > 0 && details_bytes > payload_bytes_max - kMessageBytesMin) {
    absl::StrAppend(&result.error_message, " (", details_bytes,
                    " bytes of details are left out: the broker takes at most ", payload_bytes_max,
                    " with the message)");
  } else if (details_bytes > 0 || !result.content_type.empty()) {
    message_bytes_max = std::min(message_bytes_max, payload_bytes_max - details_bytes);
    error.set_details(std::move(result.bytes));
    error.set_details_type(Name(std::move(result.content_type), limits::kContentTypeBytesMax));
  }
  error.set_type(Name(std::move(result.error_type), limits::kErrorTypeBytesMax));
  error.set_message(Text(std::move(result.error_message), message_bytes_max));
  error.set_permanent(result.permanent);
  if (result.exit_code) error.set_exit_code(*result.exit_code);
  if (result.signal) error.set_signal(*result.signal);
  if (result.retry_after_ms) {
    error.set_retry_after_ms(
        std::clamp<int64_t>(*result.retry_after_ms, 0, limits::kRetryDelayMsMax));
  }
}

}  // namespace

std::variant<SuccessReport, v1::AttemptReport> ReportOf(uint64_t token, AttemptResult result,
                                                        int64_t payload_bytes_max) {
  if (result.end == AttemptEnd::kSucceeded &&
      static_cast<int64_t>(result.bytes.size()) > payload_bytes_max) {
    result = TooLarge(result.bytes.size(), payload_bytes_max);
  }
  if (result.end == AttemptEnd::kSucceeded) {
    return SuccessReport{token, std::move(result.bytes),
                         Name(std::move(result.content_type), limits::kContentTypeBytesMax)};
  }
  v1::AttemptReport report;
  report.set_token(token);
  switch (result.end) {
    case AttemptEnd::kSucceeded:
      break;
    case AttemptEnd::kFailed:
      report.set_end(v1::ATTEMPT_END_FAILED);
      WriteError(result, payload_bytes_max, *report.mutable_error());
      break;
    case AttemptEnd::kStopped:
      report.set_end(v1::ATTEMPT_END_STOPPED);
      break;
    case AttemptEnd::kReleased:
      report.set_end(v1::ATTEMPT_END_RELEASED);
      break;
  }
  return report;
}

// What several threads ended in any order makes long runs all the same.
void WriteRuns(std::vector<SuccessReport> successes, v1::AttachRequest& request) {
  std::sort(successes.begin(), successes.end(),
            [](const auto& a, const auto& b) { return a.token < b.token; });
  v1::ReportRun* run = nullptr;
  uint64_t next = 0;
  for (SuccessReport& success : successes) {
    const auto size = static_cast<uint32_t>(success.result.size());
    if (run == nullptr || success.token != next || success.content_type != run->content_type()) {
      run = request.add_succeeded();
      run->set_first_token(success.token);
      run->set_content_type(std::move(success.content_type));
      run->set_results(std::move(success.result));
    } else {
      run->mutable_results()->append(success.result);
    }
    run->add_result_sizes(size);
    next = success.token + 1;
  }
}

std::vector<SuccessReport> TakeRuns(v1::AttachRequest& request) {
  std::vector<SuccessReport> successes;
  for (const v1::ReportRun& run : request.succeeded()) {
    wire::ForEachItem(
        run.result_sizes(), run.results(), [&](size_t index, absl::string_view result) {
          successes.push_back({run.first_token() + index, std::string(result), run.content_type()});
        });
  }
  request.clear_succeeded();
  return successes;
}

int64_t ReportBytes(const SuccessReport& report) {
  return static_cast<int64_t>(report.result.size() + report.content_type.size()) +
         kReportOverheadBytes;
}

int64_t ReportBytes(const v1::AttemptReport& report) {
  size_t bytes = 0;
  if (report.has_error()) {
    const v1::TaskError& error = report.error();
    bytes += error.type().size() + error.message().size() + error.details().size() +
             error.details_type().size();
  }
  return static_cast<int64_t>(bytes) + kReportOverheadBytes;
}

}  // namespace treadle::worker
