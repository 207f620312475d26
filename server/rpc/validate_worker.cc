#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "proto/wire/column.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {
namespace {

constexpr uint64_t kTokensEnd = uint64_t{1} << 53;  // the first number that is no token

absl::Status ValidateNames(absl::string_view field,
                           const google::protobuf::RepeatedPtrField<std::string>& names,
                           int64_t min, int64_t max) {
  if (absl::Status s = ValidateBatch(field, names.size(), min, max); !s.ok()) return s;
  for (int i = 0; i < names.size(); ++i) {
    if (absl::Status s = ValidateName(absl::StrCat(field, "[", i, "]"), names[i]); !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateToken(absl::string_view field, uint64_t token) {
  if (token != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": absent; send the token that came with the lease"));
}

absl::Status ValidateProgress(absl::string_view field, const v1::Progress& progress) {
  if (std::isfinite(progress.fraction()) && progress.fraction() <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ".fraction: ", progress.fraction(),
                   " is out of bounds; use 0 to 1, or a negative number when it is not known"));
}

absl::Status ValidateEntries(absl::string_view field,
                             const google::protobuf::RepeatedPtrField<v1::OutputEntry>& entries) {
  if (absl::Status s = ValidateBatch(field, entries.size(), 1, limits::kOutputEntriesMax);
      !s.ok()) {
    return s;
  }
  for (int i = 0; i < entries.size(); ++i) {
    const v1::OutputEntry& entry = entries[i];
    const auto path = [&](absl::string_view name) {
      return absl::StrCat(field, "[", i, "].", name);
    };
    if (entry.kind() < v1::OUTPUT_KIND_LOG || entry.kind() > v1::OUTPUT_KIND_PART) {
      return absl::InvalidArgumentError(
          absl::StrCat(path("kind"), ": ", static_cast<int>(entry.kind()),
                       " is not one that a worker sends: use LOG, STANDARD_ERROR or PART"));
    }
    const auto bytes = static_cast<int64_t>(entry.data().size());
    if (bytes > limits::kOutputEntryBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(path("data"), ": has ", bytes, " bytes; send at most ",
                       limits::kOutputEntryBytesMax, " in one entry"));
    }
    // Most have none, and there may be thousands.
    if (!entry.content_type().empty()) {
      absl::Status s = ValidateName(path("content_type"), entry.content_type());
      if (!s.ok()) return s;
    }
    if (entry.time_ms() < 0) {
      return ValidateRange(path("time_ms"), entry.time_ms(), 0, INT64_MAX, "ms");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateIndex(absl::string_view field, uint64_t index) {
  if (index <= static_cast<uint64_t>(limits::kOutputIndexMax)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", index, " is above ",
                                                 limits::kOutputIndexMax,
                                                 "; number each attempt's entries 0, 1, 2, ..."));
}

absl::Status ValidateOutput(const v1::AttachRequest& request) {
  if (absl::Status s = ValidateBatch("output", request.output_size(), 0, limits::kOutputReportsMax);
      !s.ok()) {
    return s;
  }
  int64_t entries = 0;
  for (int i = 0; i < request.output_size(); ++i) {
    const std::string field = absl::StrCat("output[", i, "]");
    const v1::OutputReport& report = request.output(i);
    if (absl::Status s = ValidateToken(field + ".token", report.token()); !s.ok()) return s;
    if (absl::Status s = ValidateIndex(field + ".first_index", report.first_index()); !s.ok()) {
      return s;
    }
    if (absl::Status s = ValidateEntries(field + ".entries", report.entries()); !s.ok()) return s;
    entries += report.entries_size();
  }
  return ValidateBatch("output.entries", entries, 0, limits::kOutputEntriesMax);
}

absl::Status ValidatePool(absl::string_view field, const v1::WorkerPool& pool) {
  if (absl::Status s = ValidateOptionalName(absl::StrCat(field, ".name"), pool.name()); !s.ok()) {
    return s;
  }
  if (absl::Status s =
          ValidateRange(absl::StrCat(field, ".slots"), pool.slots(), 0, limits::kCreditMax);
      !s.ok()) {
    return s;
  }
  return ValidateNames(absl::StrCat(field, ".types"), pool.types(), 0, limits::kPoolTypesMax);
}

absl::Status ValidateHandler(absl::string_view field, const v1::HandlerStats& handler) {
  if (absl::Status s = ValidateName(absl::StrCat(field, ".type"), handler.type()); !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateOptionalName(absl::StrCat(field, ".pool"), handler.pool());
      !s.ok()) {
    return s;
  }
  if (handler.runs() < 0 || handler.measured_runs() < 0) {
    return absl::InvalidArgumentError(absl::StrCat(field, ".runs: ", handler.runs(), ", ",
                                                   handler.measured_runs(),
                                                   " of them measured; use 0 or more"));
  }
  if (std::isfinite(handler.cpu_ms()) && handler.cpu_ms() >= 0 &&
      std::isfinite(handler.wall_ms()) && handler.wall_ms() >= 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ".cpu_ms: ", handler.cpu_ms(), ", of ",
                                                 handler.wall_ms(), " in wall_ms; use 0 or more"));
}

absl::Status ValidateHandlers(const v1::AttachRequest& request) {
  if (absl::Status s = ValidateBatch("handlers", request.handlers_size(), 0, limits::kHandlersMax);
      !s.ok()) {
    return s;
  }
  for (int i = 0; i < request.handlers_size(); ++i) {
    if (absl::Status s = ValidateHandler(absl::StrCat("handlers[", i, "]"), request.handlers(i));
        !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateRun(const std::string& field, const v1::ReportRun& run) {
  if (absl::Status s = ValidateToken(absl::StrCat(field, ".first_token"), run.first_token());
      !s.ok()) {
    return s;
  }
  const auto attempts = static_cast<uint64_t>(run.result_sizes_size());
  if (attempts == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".result_sizes: empty; send the bytes of each attempt's result"));
  }
  if (run.first_token() > kTokensEnd - attempts) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".first_token: ", run.first_token(), " and the ", attempts - 1,
                     " after it are not all below 2^53; send the token of the first lease"));
  }
  const uint64_t bytes = wire::BytesOf(run.result_sizes());
  if (bytes != run.results().size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".result_sizes: add up to ", bytes, " bytes, and results has ",
                     run.results().size(), "; send each result's size, and all of its bytes"));
  }
  return ValidateOptionalName(absl::StrCat(field, ".content_type"), run.content_type());
}

absl::Status ValidateReports(const v1::AttachRequest& request, int64_t max) {
  const int64_t reports = CountReports(request);
  if (absl::Status s = ValidateBatch("succeeded and reports", reports, 0, max); !s.ok()) return s;
  for (int i = 0; i < request.succeeded_size(); ++i) {
    if (absl::Status s = ValidateRun(absl::StrCat("succeeded[", i, "]"), request.succeeded(i));
        !s.ok()) {
      return s;
    }
  }
  if (reports > 0 && request.report_sequence() == 0) {
    return absl::InvalidArgumentError(
        "report_sequence: absent; number the messages that carry reports 1, 2, 3, ...");
  }
  return absl::OkStatus();
}

int64_t NamesBytes(const v1::WorkerHello& hello) {
  size_t bytes = 0;
  for (const std::string& queue : hello.queues()) bytes += queue.size();
  for (const v1::WorkerPool& pool : hello.pools()) {
    for (const std::string& type : pool.types()) bytes += type.size();
  }
  return static_cast<int64_t>(bytes);
}

absl::Status ValidateTaken(absl::string_view field, int64_t bytes) {
  return ValidateRange(field, bytes, 0, INT64_MAX, "bytes");
}

}  // namespace

absl::Status ValidateLabels(absl::string_view field,
                            const google::protobuf::Map<std::string, std::string>& labels) {
  if (absl::Status s =
          ValidateBatch(field, static_cast<int64_t>(labels.size()), 0, limits::kLabelsMax);
      !s.ok()) {
    return s;
  }
  for (const auto& [key, value] : labels) {
    const auto key_bytes = static_cast<int64_t>(key.size());
    if (key_bytes < 1 || key_bytes > limits::kLabelKeyBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          field, ": a key has ", key_bytes, " bytes; use 1 to ", limits::kLabelKeyBytesMax));
    }
    if (absl::Status s = ValidateName(field, key); !s.ok()) return s;
    const std::string path = absl::StrCat(field, "[", key, "]");
    if (absl::Status s = ValidateOptionalName(path, value); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status ValidateHello(const v1::WorkerHello& hello) {
  if (absl::Status s = ValidateName("hello.worker_id", hello.worker_id()); !s.ok()) return s;
  if (hello.worker_id().size() > limits::kWorkerIdBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("hello.worker_id: has ",
                                                   hello.worker_id().size(), " bytes; use 1 to ",
                                                   limits::kWorkerIdBytesMax));
  }
  if (absl::Status s = ValidateOptionalName("hello.worker_name", hello.worker_name()); !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateNames("hello.queues", hello.queues(), 1, limits::kWorkerQueuesMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateBatch("hello.pools", hello.pools_size(), 1, limits::kWorkerPoolsMax);
      !s.ok()) {
    return s;
  }
  for (int i = 0; i < hello.pools_size(); ++i) {
    if (absl::Status s = ValidatePool(absl::StrCat("hello.pools[", i, "]"), hello.pools(i));
        !s.ok()) {
      return s;
    }
  }
  if (const int64_t bytes = NamesBytes(hello); bytes > limits::kHelloNamesBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("hello: its queues and types have ", bytes,
                                                   " bytes; use at most ",
                                                   limits::kHelloNamesBytesMax));
  }
  if (absl::Status s =
          ValidateBatch("hello.held_tokens", hello.held_tokens_size(), 0, limits::kHeldMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateTaken("hello.message_bytes_max", hello.message_bytes_max());
      !s.ok()) {
    return s;
  }
  for (const uint64_t token : hello.held_tokens()) {
    if (absl::Status s = ValidateToken("hello.held_tokens", token); !s.ok()) return s;
  }
  return ValidateLabels("hello.labels", hello.labels());
}

absl::Status ValidateAttach(const v1::AttachRequest& request, int pools, const Bounds& bounds) {
  const int64_t max = bounds.batch_tasks_max;
  if (absl::Status s = ValidateBatch("credits", request.credits_size(), 0, max); !s.ok()) return s;
  if (absl::Status s = ValidateBatch("started_tokens", request.started_tokens_size(), 0, max);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateReports(request, max); !s.ok()) return s;
  if (absl::Status s = ValidateBatch("progress", request.progress_size(), 0, max); !s.ok()) {
    return s;
  }
  for (int i = 0; i < request.credits_size(); ++i) {
    const std::string field = absl::StrCat("credits[", i, "]");
    const v1::Credit& credit = request.credits(i);
    if (absl::Status s = ValidateRange(absl::StrCat(field, ".pool"), credit.pool(), 0, pools - 1);
        !s.ok()) {
      return s;
    }
    if (absl::Status s = ValidateRange(absl::StrCat(field, ".tasks"), credit.tasks(), 1,
                                       limits::kCreditMax, "tasks");
        !s.ok()) {
      return s;
    }
  }
  if (absl::Status s = ValidateHandlers(request); !s.ok()) return s;
  if (absl::Status s = ValidateOutput(request); !s.ok()) return s;
  for (const uint64_t token : request.started_tokens()) {
    if (absl::Status s = ValidateToken("started_tokens", token); !s.ok()) return s;
  }
  for (const v1::ProgressReport& progress : request.progress()) {
    if (absl::Status s = ValidateToken("progress.token", progress.token()); !s.ok()) return s;
    if (absl::Status s = ValidateProgress("progress.progress", progress.progress()); !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateError(const v1::TaskError& error, const Bounds& bounds) {
  if (error.retry_after_ms() < 0 || error.retry_after_ms() > limits::kRetryDelayMsMax) {
    return absl::InvalidArgumentError(absl::StrCat("error.retry_after_ms: ", error.retry_after_ms(),
                                                   " is not from 0 to ", limits::kRetryDelayMsMax,
                                                   ": ask for at most 7 days"));
  }
  // A longer message is cut.
  const int64_t message_bytes =
      std::min(static_cast<int64_t>(error.message().size()), limits::kErrorMessageBytesMax);
  const auto details_bytes = static_cast<int64_t>(error.details().size());
  if (details_bytes > 0 && details_bytes + message_bytes > bounds.payload_bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("error.details: has ", details_bytes, " bytes, and error.message ",
                     message_bytes, "; send at most ", bounds.payload_bytes_max, " in both"));
  }
  if (absl::Status s = ValidateOptionalName("error.details_type", error.details_type()); !s.ok()) {
    return s;
  }
  return ValidateOptionalName("error.type", error.type());
}

int64_t CountReports(const v1::AttachRequest& request) {
  int64_t reports = request.reports_size();
  for (const v1::ReportRun& run : request.succeeded()) reports += run.result_sizes_size();
  return reports;
}

absl::Status ValidateResult(int64_t bytes, const Bounds& bounds) {
  if (bytes <= bounds.payload_bytes_max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("result: has ", bytes, " bytes; send at most ", bounds.payload_bytes_max,
                   " (the server's --payload-max), or store it elsewhere and return where it is"));
}

absl::Status ValidateReport(const v1::AttemptReport& report, const Bounds& bounds) {
  if (absl::Status s = ValidateToken("token", report.token()); !s.ok()) return s;
  if (!v1::AttemptEnd_IsValid(report.end()) || report.end() == v1::ATTEMPT_END_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrCat("end: ", report.end(),
                     " does not say how the attempt ended; use ATTEMPT_END_SUCCEEDED, "
                     "ATTEMPT_END_FAILED, ATTEMPT_END_STOPPED or ATTEMPT_END_RELEASED"));
  }
  if (absl::Status s = ValidateResult(static_cast<int64_t>(report.result().size()), bounds);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateOptionalName("content_type", report.content_type()); !s.ok()) {
    return s;
  }
  return ValidateError(report.error(), bounds);
}

absl::Status ValidateLease(const v1::LeaseRequest& request) {
  if (absl::Status s = ValidateNames("queues", request.queues(), 1, limits::kWorkerQueuesMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateNames("types", request.types(), 0, limits::kPoolTypesMax); !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateRange("max_tasks", request.max_tasks(), 0, limits::kLeaseTasksMax);
      !s.ok()) {
    return s;
  }
  if (request.lease_ms() != 0) {
    if (absl::Status s = ValidateRange("lease_ms", request.lease_ms(), limits::kLeaseMsMin,
                                       limits::kLeaseMsMax, "ms");
        !s.ok()) {
      return s;
    }
  }
  if (absl::Status s = ValidateRange("wait_ms", request.wait_ms(), 0, limits::kWaitMsMax, "ms");
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateTaken("message_bytes_max", request.message_bytes_max()); !s.ok()) {
    return s;
  }
  return ValidateOptionalName("worker_name", request.worker_name());
}

absl::Status CheckTaken(int64_t message_bytes_max, int64_t bytes, const TaskId& task,
                        const std::string& queue) {
  const int64_t taken = message_bytes_max == 0 ? limits::kDefaultMessageBytes : message_bytes_max;
  if (bytes <= taken) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("task ", task.ToString(), " of queue '", queue, "' needs a message of ", bytes,
                   " bytes, and this client takes ", taken,
                   ": raise grpc.max_receive_message_length of its channel, and say so in "
                   "message_bytes_max; the task was given back"));
}

absl::Status ValidateExtension(const v1::LeaseExtension& extension) {
  if (absl::Status s = ValidateToken("token", extension.token()); !s.ok()) return s;
  if (extension.lease_ms() != 0) {
    if (absl::Status s = ValidateRange("lease_ms", extension.lease_ms(), limits::kLeaseMsMin,
                                       limits::kLeaseMsMax, "ms");
        !s.ok()) {
      return s;
    }
  }
  return ValidateProgress("progress", extension.progress());
}

absl::Status ValidateAppend(const v1::AppendOutputRequest& request) {
  if (absl::Status s = ValidateToken("token", request.token()); !s.ok()) return s;
  if (absl::Status s = ValidateIndex("first_index", request.first_index()); !s.ok()) return s;
  return ValidateEntries("entries", request.entries());
}

}  // namespace treadle::rpc
